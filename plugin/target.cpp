// Finds deployments by name and connects to them.
#include "plugin/target.hpp"

#include "base/error.hpp"
#include "base/json.hpp"
#include "plugin/cluster_connection.hpp"
#include "plugin/cluster_deployment.hpp"
#include "plugin/local_deployment.hpp"
#include "plugin/local_server_connection.hpp"
#include "plugin/proxied_server_connection.hpp"

namespace gpuinfer::plugin {

namespace {

/// The first model of GET /v1/models.
std::string served_model(ServerConnection& server, const std::string& name) {
  const HttpAnswer answer = server.get("/v1/models");
  const Json json = Json::parse(answer.body, nullptr, false);
  try {
    if (answer.status == 200) return json.at("data").at(0).at("id");
  } catch (const Json::exception&) {
  }
  throw Error(
      name + " does not answer like a model server (GET /v1/models: " + std::to_string(answer.status) + ")",
      "'kubectl gpuinfer status " + name + "' shows how far it is, 'kubectl gpuinfer logs " + name + "' what it says");
}

Target reach_local(const std::string& name) {
  const LocalDeployment deployment = require_local_deployment(name);
  switch (state_of(deployment)) {
    case LocalState::kStopped:
      throw Error("the server of " + name + " is not running any more",
                  "start it again with 'kubectl gpuinfer deploy " + deployment.model +
                      " --local'; its last words are in " + deployment.log().string());
    case LocalState::kLoading:
      throw Error(name + " still loads its model",
                  "try again in a moment, or watch it with 'kubectl gpuinfer status --local -w'");
    case LocalState::kReady:
      break;
  }
  return {.client = nullptr, .server = std::make_unique<LocalServerConnection>(deployment.port), .model = ""};
}

Target reach_in_cluster(const std::string& name, const GlobalOptions& global) {
  auto client = std::make_unique<kube::Client>(connect(global));
  require_ready(*client, name);
  auto server = std::make_unique<ProxiedServerConnection>(
      *client, kube::ServicePort{.namespace_name = client->namespace_name(), .service = name, .port = kServicePort});
  return {.client = std::move(client), .server = std::move(server), .model = ""};
}

}  // namespace

bool is_local_target(const std::string& name, bool local, const GlobalOptions& global) {
  return local || (!global.names_cluster() && find_local_deployment(name).has_value());
}

Target reach(const std::string& name, bool local, const GlobalOptions& global) {
  Target target = is_local_target(name, local, global) ? reach_local(name) : reach_in_cluster(name, global);
  target.model = served_model(*target.server, name);
  return target;
}

}  // namespace gpuinfer::plugin
