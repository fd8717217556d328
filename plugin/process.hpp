// Other programs: run one and read what it says, start one that outlives us, and tell a process from a later one with
// the same number.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gpuinfer::plugin {

/// How a program ended.
struct ProgramResult {
  int exit_code = 0;   ///< 128 + signal number where a signal ended it
  std::string output;  ///< standard output and standard error, as they came
};

/// Runs `command` (found on PATH) to its end; its standard input is empty. `while_waiting` is called about five times a
/// second. Throws Error where the program cannot be started.
ProgramResult run_program(const std::vector<std::string>& command, const std::function<void()>& while_waiting = {});

/// A process, so that nobody ever signals a later one that got the same number: the kernel's start time and boot id
/// tell them apart.
struct ProcessId {
  pid_t pid = 0;
  std::string start_time;  ///< clock ticks since boot, field 22 of /proc/PID/stat
  std::string boot_id;     ///< /proc/sys/kernel/random/boot_id
};

/// The process with that number, or nothing where there is none (or only a zombie).
std::optional<ProcessId> find_process(pid_t pid);

/// True while this very process runs.
bool is_alive(const ProcessId& process);

/// Sends `signal` to this very process; false where it is gone. Throws Error where that is not allowed.
bool send_signal(const ProcessId& process, int signal);

/// Starts `command` (a path) as a process of its own session that outlives us: standard input empty, output and errors
/// to `log` (replaced), with `environment` added to ours. Throws Error where it cannot be started.
ProcessId start_detached(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment,
                         const std::filesystem::path& log);

/// The running program's own path.
std::filesystem::path own_executable();

/// The program called `name` beside our own executable, else on PATH, else nothing.
std::optional<std::filesystem::path> find_program(const std::string& name);

}  // namespace gpuinfer::plugin
