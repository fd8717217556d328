// fork, exec, pipes and /proc.
#include "plugin/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr int kPollMilliseconds = 200;

/// argv for exec, pointing into `words`.
std::vector<char*> argument_pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// A pipe whose ends close on exec and when it goes out of scope.
class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_.data(), O_CLOEXEC) != 0) throw Error("cannot make a pipe: " + std::string(std::strerror(errno)));
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int reader() const { return ends_[0]; }
  int writer() const { return ends_[1]; }
  void close_writer() { close_end(1); }

 private:
  void close_end(std::size_t end) {
    if (ends_[end] >= 0) close(ends_[end]);
    ends_[end] = -1;
  }

  std::array<int, 2> ends_{-1, -1};
};

/// In a child: replaces the process by `arguments`, or reports errno through `failure` (which closes on exec) and ends.
[[noreturn]] void exec_or_report(const std::vector<char*>& arguments, int failure) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  execvp(arguments[0], arguments.data());
  const int error = errno;
  if (write(failure, &error, sizeof error) != sizeof error) _exit(126);
  _exit(127);
}

void redirect_input_from_nothing() {
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing >= 0) dup2(nothing, STDIN_FILENO);
}

/// Reads one trivially copyable value; false at the end of the stream.
template <typename T>
bool read_value(int fd, T& value) {
  ssize_t count;
  do {
    count = read(fd, &value, sizeof value);
  } while (count < 0 && errno == EINTR);
  return count == static_cast<ssize_t>(sizeof value);
}

Error cannot_start(const std::string& program, int error) {
  return Error("cannot start " + program + ": " + std::strerror(error),
               error == ENOENT ? "install " + program + " or put it on PATH" : "");
}

std::string boot_id() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

}  // namespace

ProgramResult run_program(const std::vector<std::string>& command, const std::function<void()>& while_waiting) {
  std::vector<std::string> words = command;
  const std::vector<char*> arguments = argument_pointers(words);
  Pipe output;
  Pipe failure;
  const pid_t child = fork();
  if (child < 0) throw cannot_start(command[0], errno);
  if (child == 0) {
    redirect_input_from_nothing();
    dup2(output.writer(), STDOUT_FILENO);
    dup2(output.writer(), STDERR_FILENO);
    exec_or_report(arguments, failure.writer());
  }
  output.close_writer();
  failure.close_writer();

  ProgramResult result;
  for (bool open = true; open;) {
    pollfd ready{.fd = output.reader(), .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, kPollMilliseconds) > 0) {
      std::array<char, 4096> piece;
      const ssize_t count = read(output.reader(), piece.data(), piece.size());
      if (count > 0) result.output.append(piece.data(), static_cast<std::size_t>(count));
      open = count > 0 || (count < 0 && errno == EINTR);
    }
    if (while_waiting) while_waiting();
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (int error = 0; read_value(failure.reader(), error)) throw cannot_start(command[0], error);
  result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return result;
}

std::optional<ProcessId> find_process(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string stat((std::istreambuf_iterator<char>(file)), {});
  // Field 2 is the program's name in parentheses and may hold anything, so fields are counted from the last ')'; what
  // follows starts at field 3.
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string state;
  std::string field;
  fields >> state;
  for (int i = 4; i <= 22; ++i) fields >> field;
  if (!fields || state == "Z" || state == "X") return std::nullopt;
  return ProcessId{.pid = pid, .start_time = field, .boot_id = boot_id()};
}

bool is_alive(const ProcessId& process) {
  const auto found = find_process(process.pid);
  return found && found->start_time == process.start_time && found->boot_id == process.boot_id;
}

bool send_signal(const ProcessId& process, int signal) {
  if (!is_alive(process)) return false;
  if (kill(process.pid, signal) == 0) return true;
  if (errno == ESRCH) return false;
  throw Error("cannot signal process " + std::to_string(process.pid) + ": " + std::strerror(errno));
}

ProcessId start_detached(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment,
                         const std::filesystem::path& log) {
  std::vector<std::string> words = command;
  const std::vector<char*> arguments = argument_pointers(words);
  const int log_file = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (log_file < 0) throw Error("cannot write " + log.string() + ": " + std::strerror(errno));

  // Two forks: the grandchild is nobody's child, so it leaves no zombie when it ends after us or before.
  Pipe pid_pipe;
  Pipe failure;
  const pid_t child = fork();
  if (child < 0) throw cannot_start(command[0], errno);
  if (child == 0) {
    setsid();
    const pid_t grandchild = fork();
    if (grandchild == 0) {
      for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
      redirect_input_from_nothing();
      dup2(log_file, STDOUT_FILENO);
      dup2(log_file, STDERR_FILENO);
      exec_or_report(arguments, failure.writer());
    }
    const bool reported = write(pid_pipe.writer(), &grandchild, sizeof grandchild) == sizeof grandchild;
    _exit(reported ? 0 : 1);
  }
  close(log_file);
  pid_pipe.close_writer();
  failure.close_writer();
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  pid_t pid = -1;
  if (!read_value(pid_pipe.reader(), pid) || pid < 0) throw Error("cannot start " + command[0] + ": fork failed");
  if (int error = 0; read_value(failure.reader(), error)) throw cannot_start(command[0], error);
  // Where it has already ended, an id without a start time is never alive, and the log says why.
  return find_process(pid).value_or(ProcessId{.pid = pid, .start_time = "", .boot_id = ""});
}

std::filesystem::path own_executable() { return std::filesystem::read_symlink("/proc/self/exe"); }

std::optional<std::filesystem::path> find_program(const std::string& name) {
  std::vector<std::filesystem::path> folders = {own_executable().parent_path()};
  const char* path = std::getenv("PATH");
  std::istringstream list(path == nullptr ? "" : path);
  for (std::string folder; std::getline(list, folder, ':');) folders.emplace_back(folder);
  for (const auto& folder : folders) {
    const auto candidate = folder / name;
    if (access(candidate.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(candidate)) return candidate;
  }
  return std::nullopt;
}

}  // namespace gpuinfer::plugin
