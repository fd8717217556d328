// One turn of the rotation: look at the cluster, serve what it says, take the next step.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "kube/client.hpp"
#include "webhook/rotation/plan.hpp"

namespace gpuinfer::webhook {

/// The two objects that the rotation reads and writes; nothing else in the cluster is touched.
struct RotationObjects {
  std::string namespace_name;  ///< of the Secret
  std::string secret = "gpuinfer-webhook-tls";
  std::string configuration = "gpuinfer-webhook";  ///< MutatingWebhookConfiguration
};

/// The times that count: see Observation.
struct RotationClocks {
  std::function<std::chrono::sys_seconds()> api_server;
  std::function<std::chrono::steady_clock::time_point()> monotonic = std::chrono::steady_clock::now;
};

/// Takes turns. Every replica has one; they work on the same two objects.
class Rotator {
 public:
  /// `serve` is called with each certificate that this replica is to serve from then on.
  Rotator(kube::Client client, RotationObjects objects, RotationSettings settings, RotationClocks clocks,
          std::function<void(const kube::KeyedCertificate&)> serve);

  /// Reads both objects, hands a new certificate to `serve`, takes at most one step. Returns for how long nothing has
  /// to be done unless one of the objects changes. Throws Error: no such Secret, no permission, no API server.
  std::chrono::seconds turn(std::stop_token stop = {});

  /// The path of each object, for watching them.
  std::string secret_path() const;
  std::string configuration_path() const;

 private:
  Observation observe(const Json& secret, const std::optional<Json>& configuration);
  void take(Step step, const Json& secret, const std::optional<Json>& configuration, const Observation& observation,
            std::stop_token stop);

  kube::Client client_;
  RotationObjects objects_;
  RotationSettings settings_;
  RotationClocks clocks_;
  std::function<void(const kube::KeyedCertificate&)> serve_;

  kube::KeyedCertificate served_;
  std::optional<std::string> last_bundle_;
  std::chrono::steady_clock::time_point last_bundle_since_;
};

}  // namespace gpuinfer::webhook
