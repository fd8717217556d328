// Renders, injects, pulls, starts.
#include "plugin/deploy_local.hpp"

#include <iostream>

#include "base/error.hpp"
#include "plugin/injected_pod.hpp"
#include "plugin/local_command.hpp"
#include "plugin/local_deployment.hpp"
#include "plugin/model_store.hpp"
#include "plugin/progress.hpp"
#include "policies/policy_set.hpp"

namespace gpuinfer::plugin {

namespace {

std::filesystem::path require_server_program() {
  constexpr const char* kServer = "gpuinfer-server";
  if (const auto program = find_program(kServer)) return *program;
  throw Error(std::string(kServer) + " is neither beside " + own_executable().string() + " nor on PATH",
              "build it with 'scripts/build release gpuinfer-server', or deploy to a cluster without --local");
}

/// True where `running` is what we would start now, apart from its port.
bool same_command(const LocalDeployment& running, const std::filesystem::path& server, const Json& pod,
                  const std::filesystem::path& models_root) {
  const LocalCommand wanted = local_command(pod, models_root, running.port);
  return command_line(server, wanted) == running.command && wanted.environment == running.environment;
}

void print_next_steps(const LocalDeployment& deployment) {
  std::cout << deployment.name << " is ready at " << deployment.endpoint() << "/v1\n"
            << "  talk to it:  kubectl gpuinfer chat " << deployment.name << "\n"
            << "  stop it:     kubectl gpuinfer delete " << deployment.name << " --local\n";
}

}  // namespace

void deploy_local(const Model& model, const ServingOptions& options, bool wait, std::chrono::seconds timeout) {
  const manifests::ModelDeployment deployment = model_deployment(model, options, "");
  if (deployment.replicas != 1)
    throw Error("--local runs one server, not " + std::to_string(deployment.replicas), "leave out --replicas");
  const std::filesystem::path server = require_server_program();
  const Json pod = injected_pod(deployment, policies::default_policies());
  const std::filesystem::path models_root = default_models_root();

  Progress progress;
  const auto existing = find_local_deployment(deployment.name);
  if (existing && is_alive(existing->process) && same_command(*existing, server, pod, models_root)) {
    if (wait) wait_until_ready(*existing, timeout, progress);
    print_next_steps(*existing);
    return;
  }
  const std::filesystem::path folder = pull_model(models_root, model, progress);
  progress.done("model in " + folder.string());
  if (existing) stop_local_deployment(*existing, timeout, progress);

  const int port = free_port();
  const LocalDeployment started =
      start_local_deployment(deployment.name, model.name, server, local_command(pod, models_root, port), port, pod);
  progress.done("server started, process " + std::to_string(started.process.pid));
  if (!wait) return;
  wait_until_ready(started, timeout, progress);
  progress.done("ready");
  print_next_steps(started);
}

}  // namespace gpuinfer::plugin
