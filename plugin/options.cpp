// Command-line options that several commands share.
#include "plugin/options.hpp"

namespace gpuinfer::plugin {

void add_global_options(CLI::App& command, GlobalOptions& options) {
  constexpr const char* kGroup = "Cluster options";
  command
      .add_option("--kubeconfig", options.kubeconfig, "The kubeconfig file (default: KUBECONFIG, then ~/.kube/config)")
      ->type_name("FILE")
      ->group(kGroup);
  command.add_option("--context", options.context, "The context of the kubeconfig to use")
      ->type_name("NAME")
      ->group(kGroup);
  command.add_option("-n,--namespace", options.namespace_name, "The namespace (default: the context's)")
      ->type_name("NAME")
      ->group(kGroup);
  command
      .add_option("--request-timeout", options.request_timeout,
                  "How long one request to the API server may take (30s, 2m; 0: no limit)")
      ->type_name("DURATION")
      ->group(kGroup);
}

CLI::Validator quiet(CLI::Validator validator) { return validator.description(""); }

void add_output_option(CLI::App& command, std::string& output, const std::vector<std::string>& formats) {
  std::string choices;
  for (const std::string& format : formats) choices += (choices.empty() ? "" : ", ") + format;
  command.add_option("-o,--output", output, "Print in this format: " + choices)
      ->type_name("FORMAT")
      ->check(quiet(CLI::IsMember(formats)));
}

void add_local_option(CLI::App& command, bool& local) {
  command.add_flag("--local", local, "On this machine, without a cluster");
}

void add_dry_run_option(CLI::App& command, std::string& dry_run) {
  command.add_option("--dry-run", dry_run, "client: only print the objects; server: let the API server check them")
      ->type_name("MODE")
      ->check(quiet(CLI::IsMember({"none", "client", "server"})))
      ->capture_default_str();
}

void add_wait_option(CLI::App& command, bool& wait, const std::string& what) {
  command.add_flag("--wait", wait, "Wait until " + what + " (default; --wait=false does not)");
}

void add_timeout_option(CLI::App& command, std::string& timeout) {
  command.add_option("--timeout", timeout, "How long to wait (90s, 10m)")->type_name("DURATION")->capture_default_str();
}

}  // namespace gpuinfer::plugin
