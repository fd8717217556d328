// Programs that end, programs that stay, and numbers that are used again.
#include "plugin/process.hpp"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/error.hpp"
#include "base/file.hpp"
#include "catch.hpp"
#include "environment_variable.hpp"
#include "temporary_folder.hpp"

namespace gpuinfer::plugin {

namespace {

/// Waits until `condition` holds; gives up after half a minute.
template <typename Condition>
bool eventually(const Condition& condition) {
  for (int i = 0; i < 3000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace

TEST_CASE("a program's output and exit code come back") {
  const ProgramResult result = run_program({"sh", "-c", "echo out; echo err >&2; exit 3"});
  CHECK(result.exit_code == 3);
  CHECK(result.output.find("out\n") != std::string::npos);
  CHECK(result.output.find("err\n") != std::string::npos);
  CHECK(run_program({"sh", "-c", "kill -9 $$"}).exit_code == 128 + SIGKILL);
}

TEST_CASE("a program that does not exist is an error with a remedy") {
  try {
    run_program({"gpuinfer-no-such-program"});
    FAIL("started");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("gpuinfer-no-such-program") != std::string::npos);
    CHECK_FALSE(error.remedy().empty());
  }
}

TEST_CASE("a detached program gets its environment, writes its log, and takes a signal") {
  const TemporaryFolder folder;
  const auto log = folder.path() / "log";
  const ProcessId process =
      start_detached({"/bin/sh", "-c", "trap 'echo bye; exit 0' TERM; echo $GREETING; while :; do sleep 0.01; done"},
                     {{"GREETING", "hello"}}, log);
  REQUIRE(is_alive(process));
  CHECK(getsid(process.pid) != getsid(0));
  CHECK(eventually([&] { return read_file(log) == "hello\n"; }));
  CHECK(send_signal(process, SIGTERM));
  CHECK(eventually([&] { return !is_alive(process); }));
  CHECK(read_file(log) == "hello\nbye\n");
  CHECK_FALSE(send_signal(process, SIGTERM));
}

TEST_CASE("another process with the same number is not the same process") {
  auto process = find_process(getpid());
  REQUIRE(process);
  CHECK(is_alive(*process));
  ProcessId earlier = *process;
  earlier.start_time = "1";
  CHECK_FALSE(is_alive(earlier));
  CHECK_FALSE(send_signal(earlier, SIGTERM));
  ProcessId other_boot = *process;
  other_boot.boot_id = "another";
  CHECK_FALSE(is_alive(other_boot));
  CHECK_FALSE(find_process(0));
}

TEST_CASE("programs are found on PATH, folders are not programs") {
  CHECK(find_program("sh"));
  CHECK_FALSE(find_program("gpuinfer-no-such-program"));
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "gpuinfer-folder");
  const EnvironmentVariable path("PATH", folder.path().string());
  CHECK_FALSE(find_program("gpuinfer-folder"));
}

}  // namespace gpuinfer::plugin
