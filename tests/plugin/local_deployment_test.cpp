// The state of local deployments: what is remembered, and what is not believed. The server is /bin/sh.
#include "plugin/local_deployment.hpp"

#include <signal.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "catch.hpp"
#include "environment_variable.hpp"
#include "temporary_folder.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr auto kTimeout = std::chrono::seconds(30);

LocalDeployment start_script(const std::string& name, const std::string& script) {
  return start_local_deployment(name, "smollm2-135m", "/bin/sh",
                                {.arguments = {"-c", script}, .environment = {{"A", "b"}}}, free_port(),
                                {{"kind", "Pod"}});
}

/// Runs each test with a state folder of its own.
struct State {
  TemporaryFolder folder;
  EnvironmentVariable home{"XDG_STATE_HOME", folder.path().string()};
};

}  // namespace

TEST_CASE("a deployment is remembered until it is deleted") {
  const State state;
  CHECK(list_local_deployments().empty());
  const LocalDeployment started = start_script("a", "trap 'exit 0' TERM; while :; do sleep 0.01; done");
  const auto found = find_local_deployment("a");
  REQUIRE(found);
  CHECK(found->model == "smollm2-135m");
  CHECK(found->port == started.port);
  CHECK(found->command == started.command);
  CHECK(found->environment == started.environment);
  CHECK(state_of(*found) == LocalState::kLoading);
  CHECK(read_file(found->folder() / "pod.yaml") == "kind: Pod\n");
  CHECK(list_local_deployments().size() == 1);

  Progress progress;
  stop_local_deployment(*found, kTimeout, progress);
  CHECK_FALSE(is_alive(found->process));
  CHECK_FALSE(find_local_deployment("a"));
}

TEST_CASE("a process of another boot or start time is stopped, and never signalled") {
  const State state;
  const LocalDeployment running = start_script("a", "while :; do sleep 0.01; done");
  Json json = Json::parse(read_file(running.folder() / "deployment.json"));
  json["startTime"] = "1";
  write_file(running.folder() / "deployment.json", json.dump());
  const LocalDeployment stale = require_local_deployment("a");
  CHECK(state_of(stale) == LocalState::kStopped);
  Progress progress;
  stop_local_deployment(stale, kTimeout, progress);
  CHECK(is_alive(running.process));
  CHECK_FALSE(find_local_deployment("a"));
  CHECK(send_signal(running.process, SIGKILL));
}

TEST_CASE("a server that ends before it is ready leaves its last words and nothing else") {
  const State state;
  const LocalDeployment started = start_script("a", "echo the model is broken; exit 1");
  Progress progress;
  try {
    wait_until_ready(started, kTimeout, progress);
    FAIL("ready");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("the model is broken") != std::string::npos);
  }
  CHECK_FALSE(std::filesystem::exists(started.folder()));
}

TEST_CASE("a server that does not stop in time is left alone, with its state") {
  const State state;
  const LocalDeployment started = start_script("a", "trap '' TERM; echo ready; while :; do sleep 0.01; done");
  while (read_file(started.log()) != "ready\n") {
  }
  Progress progress;
  CHECK_THROWS_AS(stop_local_deployment(started, std::chrono::seconds(0), progress), Error);
  CHECK(find_local_deployment("a"));
  CHECK(send_signal(started.process, SIGKILL));
}

TEST_CASE("a program that cannot be started leaves nothing") {
  const State state;
  CHECK_THROWS_AS(start_local_deployment("a", "m", "/no/such/server", {}, 1, {}), Error);
  CHECK_FALSE(std::filesystem::exists(local_state_root() / "a"));
}

TEST_CASE("damaged state and names that lead elsewhere are no deployments") {
  const State state;
  write_file(local_state_root() / "a" / "deployment.json", "{");
  write_file(local_state_root() / "b" / "deployment.json", "{\"model\": 7}");
  std::filesystem::create_directories(local_state_root() / "c");
  CHECK(list_local_deployments().empty());
  for (const char* name : {"", ".", "..", "../a", "/etc", "a"}) {
    INFO(name);
    CHECK_FALSE(find_local_deployment(name));
    CHECK_THROWS_AS(require_local_deployment(name), Error);
  }
}

}  // namespace gpuinfer::plugin
