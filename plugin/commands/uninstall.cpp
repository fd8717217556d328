// `uninstall`: takes the webhook out of the cluster.
#include <iostream>
#include <memory>

#include "plugin/cluster_connection.hpp"
#include "plugin/commands/commands.hpp"
#include "plugin/duration.hpp"
#include "plugin/example.hpp"
#include "plugin/webhook_installation.hpp"

namespace gpuinfer::plugin {

namespace {

void uninstall(const std::string& timeout, const GlobalOptions& global) {
  kube::Client client = connect(global);
  std::vector<std::string> removed;
  {
    Progress progress;
    removed = uninstall_webhook(client, parse_duration(timeout), progress);
  }
  if (removed.empty())
    throw Error("the webhook is not installed in this cluster", "'kubectl gpuinfer install' installs it");
  for (const std::string& object : removed) std::cout << object << " deleted\n";
}

}  // namespace

void add_uninstall_command(CLI::App& program, GlobalOptions& global) {
  auto timeout = std::make_shared<std::string>("5m");
  CLI::App* command = program.add_subcommand("uninstall", "Remove the webhook; deployed models keep running");
  add_timeout_option(*command, *timeout);
  add_global_options(*command, global);
  add_examples(*command,
               {{"The webhook, its certificate, its policy and its namespace", "kubectl gpuinfer uninstall"}});
  command->callback([timeout, &global] { uninstall(*timeout, global); });
}

}  // namespace gpuinfer::plugin
