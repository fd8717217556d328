// Starts, finds and stops local servers.
#include "plugin/local_deployment.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/yaml.hpp"
#include "plugin/local_server_connection.hpp"
#include "plugin/log_tail.hpp"

namespace gpuinfer::plugin {

namespace {

namespace fs = std::filesystem;

constexpr const char* kStateFile = "deployment.json";
constexpr auto kPollInterval = std::chrono::milliseconds(50);

Json to_json(const LocalDeployment& deployment) {
  return {{"name", deployment.name},
          {"model", deployment.model},
          {"pid", deployment.process.pid},
          {"startTime", deployment.process.start_time},
          {"bootId", deployment.process.boot_id},
          {"port", deployment.port},
          {"created", deployment.created_unix_seconds},
          {"command", deployment.command},
          {"environment", deployment.environment}};
}

/// Nothing where the file is missing, damaged, or of another version.
std::optional<LocalDeployment> read_state(const fs::path& folder) {
  try {
    const Json json = Json::parse(read_file(folder / kStateFile));
    LocalDeployment deployment;
    deployment.name = folder.filename().string();
    deployment.model = json.at("model");
    deployment.process = {.pid = json.at("pid"), .start_time = json.at("startTime"), .boot_id = json.at("bootId")};
    deployment.port = json.at("port");
    deployment.created_unix_seconds = json.at("created");
    deployment.command = json.at("command").get<std::vector<std::string>>();
    deployment.environment = json.at("environment").get<std::map<std::string, std::string>>();
    return deployment;
  } catch (const Error&) {
  } catch (const Json::exception&) {
  }
  return std::nullopt;
}

bool answers_ready(const LocalDeployment& deployment) {
  try {
    return LocalServerConnection(deployment.port).get("/ready").status == 200;
  } catch (const Error&) {
    return false;  // it does not listen yet
  }
}

}  // namespace

fs::path LocalDeployment::folder() const { return local_state_root() / name; }

std::string to_string(LocalState state) {
  switch (state) {
    case LocalState::kReady:
      return "ready";
    case LocalState::kLoading:
      return "loading";
    case LocalState::kStopped:
      return "stopped";
  }
  return "";
}

fs::path local_state_root() {
  const char* state_home = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  if (state_home != nullptr && *state_home != '\0') return fs::path(state_home) / "gpuinfer" / "local";
  if (home != nullptr && *home != '\0') return fs::path(home) / ".local" / "state" / "gpuinfer" / "local";
  throw Error("neither XDG_STATE_HOME nor HOME is set",
              "set HOME to the folder that should hold the state of local deployments");
}

std::vector<LocalDeployment> list_local_deployments() {
  std::vector<LocalDeployment> deployments;
  std::error_code missing;
  for (const fs::directory_entry& entry : fs::directory_iterator(local_state_root(), missing)) {
    if (auto deployment = read_state(entry.path())) deployments.push_back(std::move(*deployment));
  }
  std::sort(deployments.begin(), deployments.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return deployments;
}

std::optional<LocalDeployment> find_local_deployment(const std::string& name) {
  // A name with a slash is no name of ours, and would lead out of the folder.
  if (name.empty() || name.find('/') != std::string::npos || name.starts_with('.')) return std::nullopt;
  return read_state(local_state_root() / name);
}

LocalDeployment require_local_deployment(const std::string& name) {
  if (auto deployment = find_local_deployment(name)) return *deployment;
  std::string names;
  for (const LocalDeployment& deployment : list_local_deployments())
    names += (names.empty() ? "" : ", ") + deployment.name;
  throw Error(
      "nothing called '" + name + "' is deployed on this machine",
      names.empty() ? "'kubectl gpuinfer deploy MODEL --local' deploys a model here" : "deployed here: " + names);
}

LocalState state_of(const LocalDeployment& deployment) {
  if (!is_alive(deployment.process)) return LocalState::kStopped;
  return answers_ready(deployment) ? LocalState::kReady : LocalState::kLoading;
}

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = fd >= 0 && bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (!bound) throw Error("cannot find a free port: " + std::string(std::strerror(error)));
  return ntohs(address.sin_port);
}

std::vector<std::string> command_line(const fs::path& server, const LocalCommand& command) {
  std::vector<std::string> words = {server.string()};
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  return words;
}

LocalDeployment start_local_deployment(const std::string& name, const std::string& model, const fs::path& server,
                                       const LocalCommand& command, int port, const Json& pod) {
  LocalDeployment deployment;
  deployment.name = name;
  deployment.model = model;
  deployment.port = port;
  deployment.created_unix_seconds =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  deployment.command = command_line(server, command);
  deployment.environment = command.environment;

  write_file(deployment.folder() / "pod.yaml", emit_yaml(pod));
  try {
    deployment.process = start_detached(deployment.command, command.environment, deployment.log());
    write_file(deployment.folder() / kStateFile, to_json(deployment).dump(2) + "\n");
  } catch (...) {
    send_signal(deployment.process, SIGTERM);
    fs::remove_all(deployment.folder());
    throw;
  }
  return deployment;
}

void wait_until_ready(const LocalDeployment& deployment, std::chrono::seconds timeout, Progress& progress) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!answers_ready(deployment)) {
    if (!is_alive(deployment.process)) {
      const std::string log = last_lines(deployment.log(), 10);
      fs::remove_all(deployment.folder());
      throw Error("the server ended before it was ready; it said:\n" + log, "fix the cause above, then deploy again");
    }
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error(deployment.name + " is not ready after " + std::to_string(timeout.count()) + " s; it goes on loading",
                  "'kubectl gpuinfer logs " + deployment.name + " --local' shows what it does; --timeout waits longer");
    }
    progress.update("loading the model");
    std::this_thread::sleep_for(kPollInterval);
  }
}

void stop_local_deployment(const LocalDeployment& deployment, std::chrono::seconds timeout, Progress& progress) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  send_signal(deployment.process, SIGTERM);
  while (is_alive(deployment.process)) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error(
          deployment.name + " (process " + std::to_string(deployment.process.pid) +
              ") still finishes its answers after " + std::to_string(timeout.count()) + " s",
          "wait and run the command again, or end it with 'kill -9 " + std::to_string(deployment.process.pid) + "'");
    }
    progress.update("waiting for answers under way", "process " + std::to_string(deployment.process.pid));
    std::this_thread::sleep_for(kPollInterval);
  }
  fs::remove_all(deployment.folder());
}

}  // namespace gpuinfer::plugin
