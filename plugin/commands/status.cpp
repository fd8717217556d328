// `status`: what is deployed, here and in the cluster, and how far it is.
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <sstream>
#include <thread>

#include "plugin/cluster_connection.hpp"
#include "plugin/cluster_deployment.hpp"
#include "plugin/commands/commands.hpp"
#include "plugin/example.hpp"
#include "plugin/interrupt.hpp"
#include "plugin/local_deployment.hpp"
#include "plugin/output.hpp"
#include "plugin/rfc3339.hpp"
#include "plugin/target.hpp"

namespace gpuinfer::plugin {

namespace {

struct StatusOptions {
  std::string name;
  std::string output;
  bool local = false;
  bool watch = false;
};

/// One deployment, wherever it runs, as this command shows it.
struct Status {
  std::string name;
  std::string model;
  std::string where;  ///< "this machine", or the namespace
  std::string state;
  int ready = 0;
  int replicas = 1;
  std::int64_t created = 0;
  std::string endpoint{};
  std::string detail{};  ///< the process, or the node
  std::string image{};
  std::string problem{};
  std::string advice{};
};

Status status_of_local(const LocalDeployment& deployment) {
  const LocalState state = state_of(deployment);
  Status status{.name = deployment.name, .model = deployment.model, .where = "this machine", .state = to_string(state)};
  status.ready = state == LocalState::kReady ? 1 : 0;
  status.created = deployment.created_unix_seconds;
  status.endpoint = deployment.endpoint();
  status.detail = "process " + std::to_string(deployment.process.pid) + ", log " + deployment.log().string();
  if (state == LocalState::kStopped) {
    status.problem = "the server ended without being deleted (a crash or a reboot)";
    status.advice = "start it again with 'kubectl gpuinfer deploy " + deployment.model +
                    " --local', or remove it with 'kubectl gpuinfer delete " + deployment.name + " --local'";
  }
  return status;
}

Status status_in_cluster(kube::Client& client, const Json& deployment) {
  const ClusterStatus cluster = status_of(client, deployment);
  Status status{.name = cluster.name,
                .model = cluster.model,
                .where = cluster.namespace_name,
                .state = to_string(cluster.progress.phase)};
  if (cluster.replicas == 0) status.state = "scaled to zero";
  status.ready = cluster.ready_replicas;
  status.replicas = cluster.replicas;
  status.created = parse_rfc3339(cluster.created).value_or(0);
  status.endpoint = "http://" + cluster.name + "." + cluster.namespace_name + ".svc";
  if (!cluster.node.empty()) status.detail = "node " + cluster.node;
  status.image = cluster.image;
  status.problem = cluster.progress.problem;
  status.advice = cluster.progress.advice;
  return status;
}

std::vector<Status> list_local() {
  std::vector<Status> statuses;
  for (const LocalDeployment& deployment : list_local_deployments()) statuses.push_back(status_of_local(deployment));
  return statuses;
}

/// Everything that `options` asks for.
std::vector<Status> collect(const StatusOptions& options, const GlobalOptions& global) {
  if (!options.name.empty()) {
    if (is_local_target(options.name, options.local, global))
      return {status_of_local(require_local_deployment(options.name))};
    kube::Client client = connect(global);
    return {status_in_cluster(client, require_deployment(client, options.name))};
  }
  if (options.local) return list_local();
  std::vector<Status> statuses;
  if (!global.names_cluster()) statuses = list_local();
  try {
    kube::Client client = connect(global);
    for (const Json& deployment : list_deployments(client)) statuses.push_back(status_in_cluster(client, deployment));
  } catch (const Error& error) {
    // Without a cluster, the deployments of this machine are still worth showing.
    if (statuses.empty()) throw;
    std::cerr << "no cluster: " << error.what() << '\n';
  }
  return statuses;
}

Json to_json(const Status& status) {
  Json json = {{"name", status.name},        {"model", status.model}, {"where", status.where},
               {"state", status.state},      {"ready", status.ready}, {"replicas", status.replicas},
               {"endpoint", status.endpoint}};
  if (!status.detail.empty()) json["detail"] = status.detail;
  if (!status.image.empty()) json["image"] = status.image;
  if (!status.problem.empty()) json["problem"] = status.problem;
  if (!status.advice.empty()) json["advice"] = status.advice;
  return json;
}

Colour colour_of(const Status& status) {
  if (status.ready > 0 && status.ready >= status.replicas) return Colour::kGreen;
  return status.problem.empty() ? Colour::kYellow : Colour::kRed;
}

void print_table(std::ostream& out, const std::vector<Status>& statuses, bool coloured) {
  Table table({"NAME", "MODEL", "WHERE", "STATUS", "READY", "AGE"});
  for (const Status& status : statuses) {
    table.add_row({status.name,
                   status.model,
                   status.where,
                   {status.state, colour_of(status)},
                   std::to_string(status.ready) + "/" + std::to_string(status.replicas),
                   format_age(now_unix_seconds() - status.created)});
  }
  table.print(out, coloured);
}

/// The lines below the table when one deployment was asked for, and the problems in any case.
void print_details(std::ostream& out, const Status& status, bool coloured) {
  const auto line = [&](const char* label, const std::string& value) {
    if (!value.empty()) out << paint(label, Colour::kBold, coloured) << value << '\n';
  };
  line("Endpoint: ", status.endpoint);
  line("Runs on:  ", status.detail);
  line("Image:    ", status.image);
}

void print_problem(std::ostream& out, const Status& status, bool coloured) {
  if (status.problem.empty()) return;
  out << paint(status.name + ":", Colour::kRed, coloured) << ' ' << status.problem << '\n';
  if (!status.advice.empty()) out << "  " << status.advice << '\n';
}

void print_statuses(std::ostream& out, const std::vector<Status>& statuses, const StatusOptions& options) {
  if (!options.output.empty()) {
    Json list = Json::array();
    for (const Status& status : statuses) list.push_back(to_json(status));
    print_value(out, options.name.empty() ? list : list.front(), options.output);
    return;
  }
  if (statuses.empty()) {
    out << "Nothing is deployed. 'kubectl gpuinfer deploy MODEL' deploys a model, 'kubectl gpuinfer models' lists "
           "them.\n";
    return;
  }
  const bool coloured = wants_colour(STDOUT_FILENO);
  print_table(out, statuses, coloured);
  if (!options.name.empty()) {
    out << '\n';
    print_details(out, statuses.front(), coloured);
  }
  for (const Status& status : statuses) print_problem(out, status, coloured);
}

/// Once a second: redrawn in place on a terminal, printed again where something changed elsewhere. Ends with Ctrl-C.
void watch(const StatusOptions& options, const GlobalOptions& global) {
  constexpr auto kInterval = std::chrono::seconds(1);
  const InterruptGuard guard;
  const bool live = is_terminal(STDOUT_FILENO);
  std::string shown;
  while (!guard.requested() && std::cout) {
    std::ostringstream text;
    print_statuses(text, collect(options, global), options);
    if (live) std::cout << "\033[H\033[J";
    if (live || text.str() != shown) std::cout << text.str() << std::flush;
    shown = text.str();
    std::this_thread::sleep_for(kInterval);
  }
}

}  // namespace

void add_status_command(CLI::App& program, GlobalOptions& global) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* status = program.add_subcommand("status", "Show what is deployed and how far it is");
  status->add_option("NAME", options->name, "Only this deployment, with details")->type_name("");
  add_local_option(*status, options->local);
  add_output_option(*status, options->output);
  status->add_flag("-w,--watch", options->watch, "Go on showing it until Ctrl-C");
  add_global_options(*status, global);
  add_examples(*status, {{"Everything on this machine and in the namespace", "kubectl gpuinfer status"},
                         {"One deployment, live", "kubectl gpuinfer status smollm2-135m -w"},
                         {"For programs", "kubectl gpuinfer status smollm2-135m -o json"}});
  status->callback([options, &global] {
    if (options->watch) {
      watch(*options, global);
    } else {
      print_statuses(std::cout, collect(*options, global), *options);
    }
  });
}

}  // namespace gpuinfer::plugin
