// An API server that knows one Secret and one MutatingWebhookConfiguration, and can be made to misbehave.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/json.hpp"
#include "kube/transport.hpp"

namespace gpuinfer::webhook {

inline constexpr char kSecretPath[] = "/api/v1/namespaces/test/secrets/gpuinfer-webhook-tls";
inline constexpr char kConfigurationPath[] =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/gpuinfer-webhook";

/// GET and PUT with resource versions, as the real one has them.
class FakeCluster : public kube::Transport {
 public:
  FakeCluster() {
    store(kSecretPath, {{"apiVersion", "v1"},
                        {"kind", "Secret"},
                        {"metadata", {{"name", "gpuinfer-webhook-tls"}, {"namespace", "test"}}},
                        {"type", "kubernetes.io/tls"},
                        {"data", {{"tls.crt", ""}, {"tls.key", ""}}}});
    store(kConfigurationPath, {{"apiVersion", "admissionregistration.k8s.io/v1"},
                               {"kind", "MutatingWebhookConfiguration"},
                               {"metadata", {{"name", "gpuinfer-webhook"}}},
                               {"webhooks",
                                {{{"name", "pods"}, {"clientConfig", {{"service", {{"name", "x"}}}}}},
                                 {{"name", "workloads"}, {"clientConfig", Json::object()}}}}});
  }

  /// Called before a PUT is looked at.
  std::function<void()> before_put = [] {};
  /// The next PUT is carried out, but its answer gets lost.
  bool loses_next_answer = false;
  /// Writes that were stored, by path.
  std::map<std::string, int> writes;

  const Json& object(const std::string& path) const { return objects_.at(path); }
  void store(const std::string& path, Json object) {
    object["metadata"]["resourceVersion"] = std::to_string(++version_);
    objects_[path] = std::move(object);
  }
  void erase(const std::string& path) { objects_.erase(path); }

  kube::HttpResponse send(const kube::HttpRequest& request, const kube::BodyReceiver&, std::stop_token) override {
    const std::string path = request.path.substr(0, request.path.find('?'));
    if (request.method == "PUT") before_put();
    const auto found = objects_.find(path);
    if (found == objects_.end()) return status(404, "NotFound");
    if (request.method == "PUT") {
      Json object = Json::parse(request.body);
      const bool is_late = object["metadata"]["resourceVersion"] != found->second["metadata"]["resourceVersion"];
      if (is_late) return status(409, "Conflict");
      store(path, std::move(object));
      ++writes[path];
      if (std::exchange(loses_next_answer, false)) throw kube::TransportError("the connection was lost");
    }
    return {.status = 200, .headers = {}, .body = objects_.at(path).dump()};
  }

 private:
  static kube::HttpResponse status(int code, const std::string& reason) {
    return {.status = code,
            .headers = {},
            .body = Json{{"kind", "Status"}, {"code", code}, {"reason", reason}, {"message", reason}}.dump()};
  }

  std::map<std::string, Json> objects_;
  int version_ = 0;
};

}  // namespace gpuinfer::webhook
