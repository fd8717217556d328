// What a NAME on the command line means: a deployment on this machine, or one in a cluster.
#pragma once

#include <memory>
#include <string>

#include "kube/client.hpp"
#include "plugin/options.hpp"
#include "plugin/server_connection.hpp"

namespace gpuinfer::plugin {

/// True where NAME means a deployment on this machine: `--local` says so, or there is one of that name and no option
/// names a cluster or a namespace.
bool is_local_target(const std::string& name, bool local, const GlobalOptions& global);

/// A server to talk to, with what it takes to reach it.
struct Target {
  std::unique_ptr<kube::Client> client;  ///< empty for a local one
  std::unique_ptr<ServerConnection> server;
  std::string model;  ///< the name under which the server serves its model
};

/// Reaches the server of the deployment NAME and asks it what it serves. Throws Error where there is none or it is not
/// ready.
Target reach(const std::string& name, bool local, const GlobalOptions& global);

}  // namespace gpuinfer::plugin
