// Models served by processes of this machine, and the files that remember them.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "plugin/local_command.hpp"
#include "plugin/process.hpp"
#include "plugin/progress.hpp"

namespace gpuinfer::plugin {

/// One deployment, as deployment.json in its folder describes it.
struct LocalDeployment {
  std::string name;
  std::string model;  ///< the catalogue's name
  ProcessId process;
  int port = 0;
  std::int64_t created_unix_seconds = 0;
  std::vector<std::string> command;                ///< the server's path and its arguments
  std::map<std::string, std::string> environment;  ///< what was added to ours

  /// `${XDG_STATE_HOME:-~/.local/state}/gpuinfer/local/NAME`.
  std::filesystem::path folder() const;
  std::filesystem::path log() const { return folder() / "server.log"; }
  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port); }
};

/// How a deployment is: kStopped means that its process ended without `delete` (a crash, a reboot).
enum class LocalState { kReady, kLoading, kStopped };

/// "ready", "loading", "stopped".
std::string to_string(LocalState state);

/// The folder that holds a folder for each deployment.
std::filesystem::path local_state_root();

/// All of them by name; folders that hold no readable deployment.json are left out.
std::vector<LocalDeployment> list_local_deployments();
std::optional<LocalDeployment> find_local_deployment(const std::string& name);
/// Throws Error where there is none, with the names that there are.
LocalDeployment require_local_deployment(const std::string& name);

/// Asks the process and its /ready.
LocalState state_of(const LocalDeployment& deployment);

/// A loopback port that nobody listens on now.
int free_port();

/// The path of `server` and the arguments of `command`.
std::vector<std::string> command_line(const std::filesystem::path& server, const LocalCommand& command);

/// Starts `server` (the program) and remembers it. `pod` is kept beside it, so that a user can see what was run. Throws
/// Error.
LocalDeployment start_local_deployment(const std::string& name, const std::string& model,
                                       const std::filesystem::path& server, const LocalCommand& command, int port,
                                       const Json& pod);

/// Returns once /ready answers 200. Throws Error where the process ends (with the end of its log; the deployment is
/// removed) or `timeout` passes (it is left running).
void wait_until_ready(const LocalDeployment& deployment, std::chrono::seconds timeout, Progress& progress);

/// Sends SIGTERM to that process and no other, waits until it has drained, and removes its folder. After `timeout` it
/// throws Error and leaves both.
void stop_local_deployment(const LocalDeployment& deployment, std::chrono::seconds timeout, Progress& progress);

}  // namespace gpuinfer::plugin
