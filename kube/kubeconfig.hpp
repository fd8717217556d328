// Which API server to talk to, and as whom: kubectl's own configuration files, read by kubectl's own rules.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/yaml.hpp"

namespace gpuinfer::kube {

/// An API server and how to know that it is the right one.
struct Cluster {
  std::string server;                 ///< "https://host:port/prefix"
  std::string certificate_authority;  ///< PEM; empty: the system's authorities
  std::string tls_server_name;        ///< checked and sent (SNI) instead of the host of `server`; may be empty
  std::string proxy_url;              ///< "http://host:port"; may be empty
  bool insecure_skip_tls_verify = false;
};

/// A program that prints credentials: `users[].user.exec`
/// (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins).
struct ExecPlugin {
  std::string api_version;  ///< "client.authentication.k8s.io/v1" or ".../v1beta1"
  std::string command;      ///< a relative one that holds a slash is already joined to the kubeconfig's folder
  std::vector<std::string> args;
  std::map<std::string, std::string> env;  ///< added to our own environment
  std::string install_hint;                ///< shown when the command does not exist
  bool provide_cluster_info = false;
  enum class Interactive { kNever, kIfAvailable, kAlways } interactive = Interactive::kIfAvailable;
};

/// Who we are. Fields that the kubeconfig does not set are empty.
struct User {
  std::string client_certificate;  ///< PEM
  std::string client_key;          ///< PEM
  std::string token;
  std::filesystem::path token_file;  ///< read again for every minute of use, because in-cluster tokens rotate
  std::string username;
  std::string password;
  std::string impersonate;                      ///< `as`: the user in whose name to act
  std::vector<std::string> impersonate_groups;  ///< `as-groups`
  std::optional<ExecPlugin> exec;
};

/// All that is needed to reach a cluster.
struct Connection {
  std::string context;  ///< the context's name, "in-cluster" inside a pod
  Cluster cluster;
  User user;
  std::string namespace_name;  ///< never empty: "default" where nothing says otherwise
};

/// What the user chose on the command line; empty means "as the kubeconfig says".
struct ConnectionFlags {
  std::string kubeconfig;
  std::string context;
  std::string namespace_name;
};

/// What the process's surroundings say.
struct Environment {
  std::string kubeconfig;                  ///< $KUBECONFIG
  std::string home;                        ///< $HOME
  std::string service_host, service_port;  ///< $KUBERNETES_SERVICE_HOST and _PORT, set inside pods
  std::string https_proxy, no_proxy;       ///< $HTTPS_PROXY, $NO_PROXY or their lower-case forms
  std::filesystem::path service_account = "/var/run/secrets/kubernetes.io/serviceaccount";

  static Environment of_process();
};

/// The merged kubeconfig files, as `kubectl config view --merge` would see them.
class Kubeconfig {
 public:
  /// Reads `files` in order and merges: of two entries with the same name, and of two `current-context`, the first
  /// wins. Relative paths are joined to the folder of their file. Throws Error with FILE:LINE:COLUMN.
  static Kubeconfig load(const std::vector<std::filesystem::path>& files);

  /// Names of all contexts, in order of appearance.
  std::vector<std::string> contexts() const;

  /// The context called `name` (empty: the current one), with every file that it names read. Throws Error: no such
  /// context, cluster or user; unreadable file; base64 or PEM that is none.
  Connection connection(const std::string& name) const;

 private:
  struct File {
    std::filesystem::path path;
    YamlDocument document;
  };
  /// An item of `clusters`, `users` or `contexts`: its name, and where the mapping that belongs to the name stands.
  struct Entry {
    std::string name;
    std::shared_ptr<const File> file;
    std::string pointer;
  };
  const Entry& find(const std::vector<Entry>& entries, const char* what, const std::string& name) const;
  std::string file_names() const;

  std::vector<std::shared_ptr<const File>> files_;
  std::string current_context_;
  std::vector<Entry> clusters_, users_, contexts_;
};

/// The files that kubectl would read: `--kubeconfig` alone; else the list in $KUBECONFIG without those that do not
/// exist; else ~/.kube/config where it exists.
std::vector<std::filesystem::path> kubeconfig_files(const ConnectionFlags& flags, const Environment& environment);

/// The connection that the command line and the surroundings ask for; inside a pod and without a kubeconfig, the pod's
/// service account. Throws Error with a remedy.
Connection load_connection(const ConnectionFlags& flags, const Environment& environment = Environment::of_process());

}  // namespace gpuinfer::kube
