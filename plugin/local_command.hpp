// What a pod's server container becomes on this machine: the same arguments and environment, with the model volume's
// paths pointing at local files.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace gpuinfer::plugin {

/// A program's arguments (without its own name) and the environment to add.
struct LocalCommand {
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;
};

/// The container `server` of `pod` (with a `spec`) as a local command. A path below the mount of a persistent volume
/// claim becomes one below `models_root`; the server listens on 127.0.0.1:`port` whatever the pod says. Throws Error
/// where there is no such container, or its environment needs a cluster (`valueFrom`).
LocalCommand local_command(const Json& pod, const std::filesystem::path& models_root, int port);

}  // namespace gpuinfer::plugin
