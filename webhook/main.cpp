// gpuinfer-webhook: the admission server.
#include <CLI/CLI.hpp>
#include <iostream>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/termination.hpp"
#include "base/version.hpp"
#include "webhook/server.hpp"

namespace {

constexpr int kUsageError = 2;

int serve(const gpuinfer::webhook::ServerOptions& options) {
  gpuinfer::Termination termination;
  const gpuinfer::webhook::Server server(options);
  gpuinfer::log(gpuinfer::LogLevel::kInfo, "serving",
                {{"version", gpuinfer::kVersion}, {"port", server.port()}, {"metrics_port", server.metrics_port()}});
  const int signal = termination.wait();
  gpuinfer::log(gpuinfer::LogLevel::kInfo, "stopping", {{"signal", signal}});
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  gpuinfer::webhook::ServerOptions options;
  bool is_verbose = false;
  CLI::App app("Changes pods that ask for it (gpuinfer.dev/inject: \"true\") on their way into the cluster.",
               "gpuinfer-webhook");
  app.set_version_flag("--version", std::string(gpuinfer::kVersion));
  app.add_option("--tls-cert", options.tls_cert, "Certificate chain, PEM; read again when it changes")->required();
  app.add_option("--tls-key", options.tls_key, "Its private key, PEM; read again when it changes")->required();
  app.add_option("--policy", options.policy,
                 "InjectionPolicy document; read again when it changes (default: built in)");
  app.add_option("--port", options.port, "HTTPS port of /mutate")->capture_default_str()->check(CLI::Range(0, 65535));
  app.add_option("--metrics-port", options.metrics_port, "HTTP port of /healthz, /readyz and /metrics")
      ->capture_default_str()
      ->check(CLI::Range(0, 65535));
  app.add_option("--workers", options.workers, "Connections served at one time")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_flag("--verbose", is_verbose, "Log reviews that changed nothing, too");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageError;
  }
  if (is_verbose) gpuinfer::set_log_level(gpuinfer::LogLevel::kDebug);
  try {
    return serve(options);
  } catch (const gpuinfer::Error& error) {
    std::cerr << "error: " << error.what() << "\n";
    if (!error.remedy().empty()) std::cerr << "  " << error.remedy() << "\n";
    return 1;
  }
}
