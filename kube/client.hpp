// The Kubernetes API as this project uses it: raw JSON objects in and out.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "kube/api_error.hpp"
#include "kube/kubeconfig.hpp"
#include "kube/resource.hpp"
#include "kube/transport.hpp"

namespace gpuinfer::kube {

/// The cluster has no such kind of object: its custom resource definition is not installed.
class UnknownKind : public Error {
 public:
  using Error::Error;
};

/// Who owns the fields that we apply.
inline constexpr char kFieldManager[] = "kubectl-gpuinfer";

/// Which objects of a collection; empty means all.
struct Selector {
  std::string labels;  ///< "app.kubernetes.io/part-of=gpuinfer"
  std::string fields;  ///< "metadata.name=x"
};

/// How to write.
struct WriteOptions {
  bool dry_run = false;                       ///< checked and admitted by the server, not stored
  bool force = false;                         ///< server-side apply: take fields over from other managers
  std::string field_manager = kFieldManager;  ///< who owns what is written
};

/// What server-side apply did.
struct Applied {
  Json object;           ///< as it is now stored
  bool created = false;  ///< false: it was there before
};

/// How to delete.
struct DeleteOptions {
  bool dry_run = false;
  std::string propagation = "Background";  ///< what happens to dependents: "Background", "Foreground", "Orphan"
};

/// A change of one object. A watch starts with kAdded for each object that exists.
struct WatchEvent {
  enum class Type { kAdded, kModified, kDeleted };
  Type type;
  Json object;
};

/// Which lines of a container's output.
struct LogOptions {
  std::string container;  ///< may be empty where the pod has one
  bool follow = false;
  bool previous = false;  ///< of the container's last run
  bool timestamps = false;
  std::optional<int> tail_lines;
  std::optional<int> since_seconds;
};

/// A port of a Service, reached through the API server.
struct ServicePort {
  std::string namespace_name;
  std::string service;
  std::string port;  ///< name or number
};

/// An API server. All calls throw ApiError for what the server refuses, TransportError when it cannot be reached, and
/// Interrupted when `stop` (the last argument everywhere) asks for it from another thread. Safe to use from several
/// threads.
class Client {
 public:
  /// Over the network. Nothing is sent yet.
  explicit Client(const Connection& connection);

  /// Over `transport`, for tests.
  Client(std::shared_ptr<Transport> transport, std::string namespace_name);

  /// The namespace of the context or of `-n`.
  const std::string& namespace_name() const { return namespace_name_; }

  /// The path of `object` by its apiVersion, kind, namespace (namespace_name() where it has none) and name; asks the
  /// server's API discovery about kinds that known_resource() lacks. Throws UnknownKind where the server lacks it too.
  std::string path_of(const Json& object, std::stop_token stop = {});

  Json get(const std::string& path, std::stop_token stop = {});

  /// get(), nothing where the object does not exist.
  std::optional<Json> find(const std::string& path, std::stop_token stop = {});

  /// The list at `path`, all pages of it; its objects are in "items", each with its apiVersion and kind.
  Json list(const std::string& path, const Selector& selector = {}, std::stop_token stop = {});

  /// POSTs to the collection of `object`; for reviews (SelfSubjectAccessReview) too.
  Json create(const Json& object, const WriteOptions& options = {}, std::stop_token stop = {});

  /// Server-side apply as kFieldManager. Applying the same object again changes nothing.
  Applied apply(const Json& object, const WriteOptions& options = {}, std::stop_token stop = {});

  /// PUTs `object`, which was read before, in place of what is stored. Throws ApiError with code 409 where somebody
  /// else changed it since (metadata.resourceVersion): read again and decide anew.
  Json replace(const Json& object, const WriteOptions& options = {}, std::stop_token stop = {});

  /// PATCH with `content_type` "application/merge-patch+json", "application/json-patch+json" or
  /// "application/strategic-merge-patch+json".
  Json patch(const std::string& path, const std::string& content_type, const Json& patch,
             const WriteOptions& options = {}, std::stop_token stop = {});

  /// False where there was nothing to delete.
  bool remove(const std::string& path, const DeleteOptions& options = {}, std::stop_token stop = {});

  /// Calls `on_event` for every object of the collection and then for every change, until it returns false. Survives
  /// lost connections and expired resource versions: after a relist, what vanished meanwhile is reported as kDeleted.
  /// Throws when the first list fails, or when the server cannot be reached for half a minute.
  void watch(const std::string& path, const Selector& selector, const std::function<bool(const WatchEvent&)>& on_event,
             std::stop_token stop = {});

  /// The container's output in pieces as they come, until its end (with `follow`: the container's end).
  void logs(const std::string& namespace_name, const std::string& pod, const LogOptions& options,
            const BodyReceiver& receive, std::stop_token stop = {});

  /// An HTTP request to a Service through the API server (`services/proxy`); `request.path` is the path at the service.
  /// A streamed answer (SSE) reaches `receive` as it is made. Answers of the service itself come back whatever their
  /// status; those of the API server (no permission, no endpoints) are thrown as ApiError.
  /// A request header `Authorization` would be taken by the API server: send API keys in another one.
  HttpResponse proxy(const ServicePort& service, HttpRequest request, const BodyReceiver& receive = {},
                     std::stop_token stop = {});

 private:
  class Watcher;

  HttpResponse send(const HttpRequest& request, const BodyReceiver& receive, std::stop_token stop);
  Json send_json(const HttpRequest& request, std::stop_token stop);
  Resource resource_of(const Json& object, std::stop_token stop);
  std::string collection_of(const Json& object, std::stop_token stop);

  std::shared_ptr<Transport> transport_;
  std::string namespace_name_;
};

}  // namespace gpuinfer::kube
