// `delete`: stops a deployment and removes everything that `deploy` made.
#include <iostream>
#include <memory>

#include "plugin/cluster_connection.hpp"
#include "plugin/cluster_deployment.hpp"
#include "plugin/commands/commands.hpp"
#include "plugin/duration.hpp"
#include "plugin/example.hpp"
#include "plugin/local_deployment.hpp"
#include "plugin/progress.hpp"
#include "plugin/target.hpp"

namespace gpuinfer::plugin {

namespace {

struct DeleteCommandOptions {
  std::string name;
  std::string timeout = "5m";
  bool local = false;
};

void delete_local(const DeleteCommandOptions& options) {
  const LocalDeployment deployment = require_local_deployment(options.name);
  {
    Progress progress;
    stop_local_deployment(deployment, parse_duration(options.timeout), progress);
  }
  std::cout << "process " << deployment.process.pid << " ended\n" << deployment.folder().string() << " removed\n";
}

void delete_in_cluster(const DeleteCommandOptions& options, const GlobalOptions& global) {
  kube::Client client = connect(global);
  std::vector<std::string> removed;
  {
    Progress progress;
    removed = delete_deployment(client, options.name, parse_duration(options.timeout), progress);
  }
  if (removed.empty()) require_deployment(client, options.name);  // throws, with what there is
  for (const std::string& object : removed) std::cout << object << " deleted\n";
}

}  // namespace

void add_delete_command(CLI::App& program, GlobalOptions& global) {
  auto options = std::make_shared<DeleteCommandOptions>();
  CLI::App* command = program.add_subcommand("delete", "Stop a deployment and remove everything that 'deploy' made");
  command->add_option("NAME", options->name, "The deployment's name")->type_name("")->required();
  add_local_option(*command, options->local);
  add_timeout_option(*command, options->timeout);
  add_global_options(*command, global);
  add_examples(*command,
               {{"In the cluster; the weights stay on their volume", "kubectl gpuinfer delete smollm2-135m"},
                {"On this machine; the weights stay in the cache", "kubectl gpuinfer delete smollm2-135m --local"}});
  command->callback([options, &global] {
    if (is_local_target(options->name, options->local, global)) {
      delete_local(*options);
    } else {
      delete_in_cluster(*options, global);
    }
  });
}

}  // namespace gpuinfer::plugin
