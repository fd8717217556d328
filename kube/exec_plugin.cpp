#include "kube/exec_plugin.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>
#include <thread>
#include <vector>

#include "base/base64.hpp"
#include "kube/json_field.hpp"
#include "kube/transport.hpp"

extern char** environ;

namespace gpuinfer::kube {

namespace {

using std::chrono::milliseconds;

/// How often a running plugin is looked at for `stop`.
constexpr milliseconds kPollInterval{50};
/// What a plugin has for its clean-up before it is killed.
constexpr milliseconds kGraceToEnd{1000};
/// Far more than any credential.
constexpr std::size_t kMaxOutputBytes = 1 << 20;

/// Closes a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }

  int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

/// A child process that never outlives its owner.
class Child {
 public:
  Child(pid_t pid, bool leads_group) : target_(leads_group ? -pid : pid), pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  ~Child() {
    if (ended()) return;
    kill(target_, SIGTERM);
    for (milliseconds waited{0}; waited < kGraceToEnd; waited += kPollInterval) {
      std::this_thread::sleep_for(kPollInterval);
      if (ended()) return;
    }
    kill(target_, SIGKILL);
    waitpid(pid_, &status_, 0);
  }

  /// Whether it has ended; then status() holds how.
  bool ended() {
    if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
    return ended_;
  }

  int status() const { return status_; }

 private:
  const pid_t target_;  ///< of signals: the process or its group
  const pid_t pid_;
  int status_ = 0;
  bool ended_ = false;
};

bool may_ask_user(const ExecPlugin& plugin) {
  return plugin.interactive != ExecPlugin::Interactive::kNever && isatty(STDIN_FILENO) == 1;
}

/// The request that a plugin finds in KUBERNETES_EXEC_INFO.
Json exec_info(const ExecPlugin& plugin, const Cluster& cluster) {
  Json info = {{"apiVersion", plugin.api_version},
               {"kind", "ExecCredential"},
               {"spec", {{"interactive", may_ask_user(plugin)}}}};
  if (plugin.provide_cluster_info) {
    Json about = {{"server", cluster.server}};
    if (!cluster.tls_server_name.empty()) about["tls-server-name"] = cluster.tls_server_name;
    if (cluster.insecure_skip_tls_verify) about["insecure-skip-tls-verify"] = true;
    if (!cluster.certificate_authority.empty()) {
      about["certificate-authority-data"] = base64_encode(cluster.certificate_authority);
    }
    if (!cluster.proxy_url.empty()) about["proxy-url"] = cluster.proxy_url;
    info["spec"]["cluster"] = about;
  }
  return info;
}

/// Our own environment with the plugin's variables over it, as NAME=VALUE.
std::vector<std::string> plugin_environment(const ExecPlugin& plugin, const Cluster& cluster) {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = std::min(text.find('='), text.size());
    variables.emplace(text.substr(0, equals), text.substr(std::min(equals + 1, text.size())));
  }
  for (const auto& [name, value] : plugin.env) variables[name] = value;
  variables["KUBERNETES_EXEC_INFO"] = exec_info(plugin, cluster).dump();
  std::vector<std::string> entries;
  for (const auto& [name, value] : variables) entries.push_back(name + "=" + value);
  return entries;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& string : strings) result.push_back(string.data());
  result.push_back(nullptr);
  return result;
}

/// Starts `plugin` with its standard output going to `output`.
pid_t start(const ExecPlugin& plugin, const Cluster& cluster, int output) {
  std::vector<std::string> arguments = {plugin.command};
  arguments.insert(arguments.end(), plugin.args.begin(), plugin.args.end());
  std::vector<std::string> environment = plugin_environment(plugin, cluster);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // We may have blocked or ignored signals for ourselves; the plugin gets the defaults.
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  if (!may_ask_user(plugin)) {
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    flags |= POSIX_SPAWN_SETPGROUP;  // so that its own children end with it
  }
  posix_spawnattr_setflags(&attributes, flags);

  pid_t pid = 0;
  const int error = posix_spawnp(&pid, plugin.command.c_str(), &actions, &attributes, pointers(arguments).data(),
                                 pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    throw Error("credential plugin '" + plugin.command + "' cannot be started: " + std::strerror(error),
                plugin.install_hint.empty() ? "install it, or correct 'exec' in the kubeconfig" : plugin.install_hint);
  }
  return pid;
}

/// Reads until the end of `fd`, as long as nobody stops us.
std::string read_output(int fd, const std::string& command, const std::stop_token& stop) {
  std::string output;
  std::array<char, 4096> buffer;
  while (true) {
    if (stop.stop_requested()) throw Interrupted();
    pollfd readable{fd, POLLIN, 0};
    if (poll(&readable, 1, static_cast<int>(kPollInterval.count())) <= 0) continue;
    const ssize_t size = read(fd, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return output;
    output.append(buffer.data(), static_cast<std::size_t>(size));
    if (output.size() > kMaxOutputBytes) throw Error("credential plugin '" + command + "' does not stop writing");
  }
}

/// Reads RFC 3339's "2026-11-24T18:00:00Z", with any fraction and offset.
std::optional<std::chrono::sys_seconds> parse_time(const std::string& text) {
  std::tm time{};
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (rest == nullptr) return std::nullopt;
  if (*rest == '.') rest += 1 + std::strspn(rest + 1, "0123456789");
  const bool has_offset = strptime(rest, "%z", &time) != nullptr;  // takes "Z" too
  if (!has_offset) return std::nullopt;
  const long offset_seconds = time.tm_gmtoff;
  return std::chrono::sys_seconds(std::chrono::seconds(timegm(&time) - offset_seconds));
}

}  // namespace

ExecCredential parse_exec_credential(const std::string& text, const std::string& api_version,
                                     const std::string& command) {
  const auto fail = [&](const std::string& reason) {
    return Error("credential plugin '" + command + "' gave no usable answer: " + reason,
                 "run it by hand to see what it prints");
  };
  const Json answer = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object() || text_at(answer, "/kind") != "ExecCredential") throw fail("it is no ExecCredential object");
  if (text_at(answer, "/apiVersion") != api_version) {
    throw fail("it is of version '" + text_at(answer, "/apiVersion") + "', and the kubeconfig asks for " + api_version);
  }
  const auto status = answer.find("status");
  if (status == answer.end() || !status->is_object()) throw fail("it has no status");

  ExecCredential result;
  const std::string token = text_at(*status, "/token");
  if (!token.empty()) result.credential.authorization = "Bearer " + token;
  result.credential.client_certificate = text_at(*status, "/clientCertificateData");
  result.credential.client_key = text_at(*status, "/clientKeyData");
  if (result.credential.client_certificate.empty() != result.credential.client_key.empty()) {
    throw fail("it has a client certificate or a client key, but not both");
  }
  if (token.empty() && result.credential.client_certificate.empty()) throw fail("it has neither token nor certificate");
  if (const std::string expires = text_at(*status, "/expirationTimestamp"); !expires.empty()) {
    result.expires = parse_time(expires);
    if (!result.expires) throw fail("its expirationTimestamp '" + expires + "' is no time");
  }
  return result;
}

ExecCredential run_exec_plugin(const ExecPlugin& plugin, const Cluster& cluster, std::stop_token stop) {
  if (plugin.interactive == ExecPlugin::Interactive::kAlways && !may_ask_user(plugin)) {
    throw Error("credential plugin '" + plugin.command + "' needs a terminal to ask you something",
                "log in with it in a terminal first");
  }
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw Error(std::string("no pipe: ") + std::strerror(errno));
  const Descriptor output(ends[0]);
  Descriptor input(ends[1]);
  Child child(start(plugin, cluster, input.get()), /*leads_group=*/!may_ask_user(plugin));
  input.close();

  const std::string answer = read_output(output.get(), plugin.command, stop);
  while (!child.ended()) {
    if (stop.stop_requested()) throw Interrupted();
    std::this_thread::sleep_for(milliseconds(1));
  }
  const int status = child.status();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    const std::string how = WIFEXITED(status) ? "exit code " + std::to_string(WEXITSTATUS(status))
                                              : "signal " + std::to_string(WTERMSIG(status));
    throw Error("credential plugin '" + plugin.command + "' failed with " + how,
                "its own message is above; on EKS `aws sts get-caller-identity` shows whether you are logged in");
  }
  return parse_exec_credential(answer, plugin.api_version, plugin.command);
}

}  // namespace gpuinfer::kube
