// Keeps the webhook's certificates fresh for as long as it lives.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "kube/kubeconfig.hpp"
#include "webhook/certificate.hpp"
#include "webhook/rotation/rotator.hpp"

namespace gpuinfer::kube {
class ServerClock;
}

namespace gpuinfer::webhook {

class Server;

/// Takes turns of a Rotator in a thread of its own: when one of the objects changes (they are watched), when the plan
/// says so, and again a few seconds after a failure. While the API server is away, what is served stays as it is.
class Rotation {
 public:
  /// Returns once there is a certificate to serve. Throws Error where there is none within half a minute.
  Rotation(const kube::Connection& connection, RotationObjects objects, RotationSettings settings);
  ~Rotation();
  Rotation(const Rotation&) = delete;
  Rotation& operator=(const Rotation&) = delete;

  /// The one to begin with.
  const Certificate& certificate() const { return *first_; }

  /// From now on, the certificates are looked after, and `server` gets every new one; it must live longer than this
  /// object.
  void keep_current(Server& server);

 private:
  void wait_for_first_certificate();
  void serve(const kube::KeyedCertificate& pair);
  void take_turns(const std::stop_token& stop);
  /// Waits until `duration` has passed or something was heard of the objects.
  void pause(std::chrono::seconds duration, const std::stop_token& stop);
  void watch(const std::string& path, const std::stop_token& stop);

  std::shared_ptr<kube::ServerClock> transport_;
  kube::Client client_;
  Rotator rotator_;
  std::optional<Certificate> first_;
  Server* server_ = nullptr;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool has_news_ = false;
  std::jthread watching_secret_, watching_configuration_, turning_;
};

}  // namespace gpuinfer::webhook
