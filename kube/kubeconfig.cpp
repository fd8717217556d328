#include "kube/kubeconfig.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "base/base64.hpp"
#include "base/file.hpp"
#include "base/yaml.hpp"
#include "kube/openssl.hpp"
#include "kube/url.hpp"

namespace gpuinfer::kube {

namespace fs = std::filesystem;

namespace {

constexpr char kGetContexts[] = "run `kubectl config get-contexts` to see what is configured";

/// A mapping in a kubeconfig file, which knows its place for messages.
class Section {
 public:
  Section(const fs::path& file, const YamlDocument& document, std::string pointer = "")
      : file_(file), document_(document), pointer_(std::move(pointer)) {
    const Json& value = this->value();
    if (!value.is_object() && !value.is_null()) fail("", "must be a mapping");
  }

  bool has(const std::string& key) const {
    return value().is_object() && value().contains(key) && !value()[key].is_null();
  }

  Section section(const std::string& key) const {
    return Section(file_, document_, has(key) ? pointer_ + "/" + key : kNowhere);
  }

  /// The mappings in the sequence at `key`.
  std::vector<Section> sections(const std::string& key) const {
    std::vector<Section> items;
    if (!has(key)) return items;
    if (!value()[key].is_array()) fail(key, "must be a sequence");
    for (std::size_t i = 0; i < value()[key].size(); ++i) {
      items.emplace_back(file_, document_, pointer_ + "/" + key + "/" + std::to_string(i));
    }
    return items;
  }

  std::string text(const std::string& key) const {
    if (!has(key)) return "";
    if (!value()[key].is_string()) fail(key, "must be a string");
    return value()[key].get<std::string>();
  }

  std::vector<std::string> texts(const std::string& key) const {
    std::vector<std::string> items;
    if (!has(key)) return items;
    if (!value()[key].is_array()) fail(key, "must be a sequence");
    for (const Json& item : value()[key]) {
      if (!item.is_string()) fail(key, "must hold strings");
      items.push_back(item.get<std::string>());
    }
    return items;
  }

  bool flag(const std::string& key) const {
    if (!has(key)) return false;
    if (!value()[key].is_boolean()) fail(key, "must be true or false");
    return value()[key].get<bool>();
  }

  std::string required(const std::string& key) const {
    std::string found = text(key);
    if (found.empty()) fail("", "'" + key + "' is missing");
    return found;
  }

  /// A path, joined to the folder of this file.
  fs::path path(const std::string& key) const {
    const std::string found = text(key);
    return found.empty() ? fs::path() : folder() / found;
  }

  /// The bytes of `key`-data (base64), else those of the file at `key`, else "".
  std::string data_or_file(const std::string& key) const {
    const std::string data_key = key + "-data";
    if (const std::string data = text(data_key); !data.empty()) {
      const std::optional<std::string> bytes = base64_decode(data);
      if (!bytes) fail(data_key, "is not base64");
      return *bytes;
    }
    const fs::path file = path(key);
    if (file.empty()) return "";
    try {
      return read_file(file);
    } catch (const Error& error) {
      fail(key, error.what());
    }
  }

  fs::path folder() const { return fs::absolute(file_).parent_path(); }

  /// Throws Error that begins with the place of `key`, or of the section itself where that is empty or missing.
  [[noreturn]] void fail(const std::string& key, const std::string& message,
                         const std::string& remedy = kGetContexts) const {
    std::string where = file_.string();
    const auto& positions = document_.positions;
    auto position = positions.find(key.empty() ? pointer_ : pointer_ + "/" + key);
    if (position == positions.end()) position = positions.find(pointer_);
    if (position != positions.end()) {
      where += ":" + std::to_string(position->second.line) + ":" + std::to_string(position->second.column);
    }
    throw Error(where + ": " + (key.empty() ? "" : "'" + key + "' ") + message, remedy);
  }

 private:
  /// A pointer to a mapping that is not there.
  static constexpr char kNowhere[] = "/-";

  const Json& value() const {
    static const Json kNull;
    if (pointer_ == kNowhere) return kNull;
    return document_.value.at(Json::json_pointer(pointer_));
  }

  const fs::path& file_;
  const YamlDocument& document_;
  std::string pointer_;
};

ExecPlugin exec_plugin(const Section& exec) {
  ExecPlugin plugin;
  plugin.api_version = exec.required("apiVersion");
  if (plugin.api_version != "client.authentication.k8s.io/v1" &&
      plugin.api_version != "client.authentication.k8s.io/v1beta1") {
    exec.fail("apiVersion", "'" + plugin.api_version + "' is not supported",
              "client.authentication.k8s.io/v1 and v1beta1 are; `aws eks update-kubeconfig` of AWS CLI 2 writes them");
  }
  plugin.command = exec.required("command");
  const bool names_a_path = plugin.command.find('/') != std::string::npos;
  if (names_a_path) plugin.command = (exec.folder() / plugin.command).string();
  plugin.args = exec.texts("args");
  for (const Section& variable : exec.sections("env")) plugin.env[variable.required("name")] = variable.text("value");
  plugin.install_hint = exec.text("installHint");
  plugin.provide_cluster_info = exec.flag("provideClusterInfo");

  const std::string mode = exec.text("interactiveMode");
  if (mode == "Never") {
    plugin.interactive = ExecPlugin::Interactive::kNever;
  } else if (mode == "Always") {
    plugin.interactive = ExecPlugin::Interactive::kAlways;
  } else if (mode != "IfAvailable" && !(mode.empty() && plugin.api_version.ends_with("v1beta1"))) {
    exec.fail("interactiveMode", "must be Never, IfAvailable or Always");
  }
  return plugin;
}

User user_of(const Section& section) {
  User user;
  user.client_certificate = section.data_or_file("client-certificate");
  user.client_key = section.data_or_file("client-key");
  if (user.client_certificate.empty() != user.client_key.empty()) {
    section.fail("", "has a client certificate or a client key, but not both");
  }
  if (!user.client_certificate.empty()) {
    try {
      read_certificates(user.client_certificate);
      read_private_key(user.client_key);
    } catch (const Error& error) {
      section.fail("", error.what());
    }
  }
  user.token = section.text("token");
  user.token_file = section.path("tokenFile");
  user.username = section.text("username");
  user.password = section.text("password");
  user.impersonate = section.text("as");
  user.impersonate_groups = section.texts("as-groups");
  if (section.has("exec")) user.exec = exec_plugin(section.section("exec"));
  if (section.has("auth-provider") && !user.exec) {
    section.fail("auth-provider", "was removed from Kubernetes in 1.26",
                 "use an exec plugin, as your cloud's command line tool writes it");
  }
  return user;
}

Cluster cluster_of(const Section& section) {
  Cluster cluster;
  cluster.server = section.required("server");
  cluster.certificate_authority = section.data_or_file("certificate-authority");
  cluster.tls_server_name = section.text("tls-server-name");
  cluster.proxy_url = section.text("proxy-url");
  cluster.insecure_skip_tls_verify = section.flag("insecure-skip-tls-verify");
  try {
    parse_url(cluster.server, "server");
    if (!cluster.proxy_url.empty()) parse_url(cluster.proxy_url, "proxy-url");
    if (!cluster.certificate_authority.empty()) read_certificates(cluster.certificate_authority);
  } catch (const Error& error) {
    section.fail("", error.what());
  }
  return cluster;
}

Connection in_cluster_connection(const Environment& environment) {
  Connection connection;
  connection.context = "in-cluster";
  const bool is_ipv6 = environment.service_host.find(':') != std::string::npos;
  const std::string host = is_ipv6 ? "[" + environment.service_host + "]" : environment.service_host;
  connection.cluster.server = "https://" + host + ":" + environment.service_port;
  connection.cluster.certificate_authority = read_file(environment.service_account / "ca.crt");
  connection.user.token_file = environment.service_account / "token";
  connection.namespace_name = read_file(environment.service_account / "namespace");
  return connection;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string variable(const char* name, const char* other_name) {
  const std::string value = variable(name);
  return value.empty() ? variable(other_name) : value;
}

/// The documents of one kubeconfig file. Throws Error.
std::vector<YamlDocument> read_documents(const fs::path& path) {
  try {
    return parse_yaml(read_file(path), path.string());
  } catch (const Error& error) {
    throw Error(error.what(), "repair that file, or name another one with --kubeconfig or in $KUBECONFIG");
  }
}

}  // namespace

Environment Environment::of_process() {
  Environment environment;
  environment.kubeconfig = variable("KUBECONFIG");
  environment.home = variable("HOME");
  environment.service_host = variable("KUBERNETES_SERVICE_HOST");
  environment.service_port = variable("KUBERNETES_SERVICE_PORT");
  environment.https_proxy = variable("HTTPS_PROXY", "https_proxy");
  environment.no_proxy = variable("NO_PROXY", "no_proxy");
  return environment;
}

Kubeconfig Kubeconfig::load(const std::vector<fs::path>& files) {
  Kubeconfig config;
  for (const fs::path& path : files) {
    std::vector<YamlDocument> documents = read_documents(path);
    if (documents.empty()) continue;  // kubectl writes an empty file before its first `config set`
    const auto file = std::make_shared<const File>(File{path, std::move(documents.front())});
    config.files_.push_back(file);

    const Section root(file->path, file->document);
    const auto merge = [&](std::vector<Entry>& entries, const std::string& list, const std::string& key) {
      std::size_t index = 0;
      for (const Section& item : root.sections(list)) {
        const std::string pointer = "/" + list + "/" + std::to_string(index++) + (item.has(key) ? "/" + key : "");
        Entry entry{item.required("name"), file, pointer};
        Section(file->path, file->document, pointer);  // throws where that is no mapping
        if (std::ranges::find(entries, entry.name, &Entry::name) == entries.end()) entries.push_back(std::move(entry));
      }
    };
    merge(config.clusters_, "clusters", "cluster");
    merge(config.users_, "users", "user");
    merge(config.contexts_, "contexts", "context");
    if (config.current_context_.empty()) config.current_context_ = root.text("current-context");
  }
  return config;
}

std::vector<std::string> Kubeconfig::contexts() const {
  std::vector<std::string> names;
  for (const Entry& entry : contexts_) names.push_back(entry.name);
  return names;
}

std::string Kubeconfig::file_names() const {
  std::string names;
  for (const auto& file : files_) names += (names.empty() ? "" : ", ") + file->path.string();
  return names.empty() ? "the kubeconfig" : names;
}

const Kubeconfig::Entry& Kubeconfig::find(const std::vector<Entry>& entries, const char* what,
                                          const std::string& name) const {
  const auto entry = std::ranges::find(entries, name, &Entry::name);
  if (entry == entries.end()) {
    throw Error(file_names() + ": no " + what + " is called '" + name + "'", kGetContexts);
  }
  return *entry;
}

Connection Kubeconfig::connection(const std::string& name) const {
  Connection connection;
  connection.context = name.empty() ? current_context_ : name;
  if (connection.context.empty()) {
    throw Error(file_names() + ": no current context is set",
                "choose one with `kubectl config use-context NAME` or `--context NAME`");
  }
  const auto section = [](const Entry& entry) {
    return Section(entry.file->path, entry.file->document, entry.pointer);
  };
  const Section context = section(find(contexts_, "context", connection.context));
  connection.cluster = cluster_of(section(find(clusters_, "cluster", context.required("cluster"))));
  if (const std::string user = context.text("user"); !user.empty()) {
    connection.user = user_of(section(find(users_, "user", user)));
  }
  connection.namespace_name = context.text("namespace");
  return connection;
}

std::vector<fs::path> kubeconfig_files(const ConnectionFlags& flags, const Environment& environment) {
  if (!flags.kubeconfig.empty()) return {flags.kubeconfig};
  std::vector<fs::path> files;
  if (!environment.kubeconfig.empty()) {
    std::istringstream list(environment.kubeconfig);
    for (std::string path; std::getline(list, path, ':');) {
      if (!path.empty()) files.emplace_back(path);
    }
  } else if (!environment.home.empty()) {
    files.push_back(fs::path(environment.home) / ".kube" / "config");
  }
  std::erase_if(files, [](const fs::path& file) { return !fs::exists(file); });
  return files;
}

Connection load_connection(const ConnectionFlags& flags, const Environment& environment) {
  const std::vector<fs::path> files = kubeconfig_files(flags, environment);
  Connection connection;
  if (!files.empty()) {
    connection = Kubeconfig::load(files).connection(flags.context);
  } else if (!environment.service_host.empty() && fs::exists(environment.service_account / "token")) {
    connection = in_cluster_connection(environment);
  } else {
    throw Error("no kubeconfig found: no --kubeconfig, nothing in $KUBECONFIG, no ~/.kube/config",
                "on EKS: `aws eks update-kubeconfig --name CLUSTER`");
  }
  if (!flags.namespace_name.empty()) connection.namespace_name = flags.namespace_name;
  if (connection.namespace_name.empty()) connection.namespace_name = "default";
  if (connection.cluster.proxy_url.empty()) {
    connection.cluster.proxy_url = environment_proxy(connection.cluster.server, environment);
  }
  return connection;
}

}  // namespace gpuinfer::kube
