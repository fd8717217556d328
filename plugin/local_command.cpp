// Reads a pod the way a kubelet would, as far as one local process needs it.
#include "plugin/local_command.hpp"

#include "base/error.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr const char* kContainer = "server";

/// `object[field]` where it is an array, else an empty one: absent lists are common in pods.
const Json& list_or_empty(const Json& object, const std::string& field) {
  static const Json empty = Json::array();
  const auto found = object.find(field);
  return found != object.end() && found->is_array() ? *found : empty;
}

const Json& server_container(const Json& pod) {
  for (const Json& container : list_or_empty(pod.at("spec"), "containers")) {
    if (container.value("name", "") == kContainer) return container;
  }
  throw Error("the pod has no container called '" + std::string(kContainer) + "'");
}

/// Where persistent volume claims are mounted in `container`.
std::vector<std::string> claim_mounts(const Json& pod, const Json& container) {
  std::vector<std::string> paths;
  for (const Json& volume : list_or_empty(pod.at("spec"), "volumes")) {
    if (!volume.contains("persistentVolumeClaim")) continue;
    for (const Json& mount : list_or_empty(container, "volumeMounts")) {
      if (mount.at("name") == volume.at("name")) paths.push_back(mount.at("mountPath"));
    }
  }
  return paths;
}

std::string localize(std::string value, const std::vector<std::string>& mounts,
                     const std::filesystem::path& models_root) {
  for (const std::string& mount : mounts) {
    if (value == mount || value.starts_with(mount + "/")) return models_root.string() + value.substr(mount.size());
  }
  return value;
}

/// The arguments without --host and --port, in both spellings ("--port 8000", "--port=8000").
std::vector<std::string> without_address(const Json& arguments) {
  std::vector<std::string> kept;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string argument = arguments[i];
    if (argument == "--host" || argument == "--port") {
      ++i;
    } else if (!argument.starts_with("--host=") && !argument.starts_with("--port=")) {
      kept.push_back(argument);
    }
  }
  return kept;
}

}  // namespace

LocalCommand local_command(const Json& pod, const std::filesystem::path& models_root, int port) {
  const Json& container = server_container(pod);
  const std::vector<std::string> mounts = claim_mounts(pod, container);
  LocalCommand command;
  for (const std::string& argument : without_address(list_or_empty(container, "args"))) {
    command.arguments.push_back(localize(argument, mounts, models_root));
  }
  command.arguments.insert(command.arguments.end(), {"--host", "127.0.0.1", "--port", std::to_string(port)});
  for (const Json& variable : list_or_empty(container, "env")) {
    const std::string name = variable.at("name");
    if (variable.contains("valueFrom"))
      throw Error("the variable " + name + " takes its value from the cluster", "run without --local");
    command.environment[name] = localize(variable.value("value", ""), mounts, models_root);
  }
  return command;
}

}  // namespace gpuinfer::plugin
