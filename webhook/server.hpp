// The webhook as a running server: HTTPS for the API server, plain HTTP for those who operate it.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "webhook/certificate.hpp"
#include "webhook/current.hpp"
#include "webhook/front/front.hpp"
#include "webhook/front/tls_context.hpp"
#include "webhook/metrics.hpp"
#include "webhook/policy_files.hpp"

namespace gpuinfer::webhook {

struct ServerOptions {
  std::vector<std::filesystem::path> policies;  ///< files and folders in their order; none: the default document
  int port = 8443;                              ///< 0 picks a free one
  int metrics_port = 8080;                      ///< 0 picks a free one
  /// Threads that read, decide and answer. A node may have a hundred cores, and a pod a share of one.
  int workers = std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 8);
  FrontLimits limits;
  std::chrono::milliseconds reload_interval{1000};
  /// Until Kubernetes sends reviews elsewhere after /readyz has begun to say 503.
  std::chrono::milliseconds drain_notice{5000};
  std::chrono::milliseconds drain_patience{5000};  ///< then, for the requests that have begun
};

/// Serves from construction to destruction. POST /mutate over HTTPS; GET /healthz, /readyz, /metrics and /status over
/// HTTP.
class Server {
 public:
  /// Presents `certificate` until use_certificate() brings another. Throws Error where a file or a port is not usable.
  Server(const ServerOptions& options, Certificate certificate);
  /// Drains: /readyz says 503, the requests that arrive are answered for `drain_notice` and finished after it.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// From now on new connections present `certificate`; established ones go on. For any thread.
  void use_certificate(Certificate certificate);
  /// Says in log, metrics and status that a new certificate is not usable; the last one stays. For any thread.
  void report_unusable_certificate(const Error& error);

  int port() const { return https_.port(); }
  int metrics_port() const { return http_.port(); }

 private:
  /// Why no reviews should be sent here; empty where they may.
  std::string reason_not_ready() const;
  Json status() const;

  ServerOptions options_;
  Metrics metrics_;
  Current<Certificate> certificate_;
  Current<std::string> certificate_error_{""};
  PolicyFiles policies_;
  TlsContext tls_;
  std::atomic<bool> is_stopping_ = false;
  Front https_;
  Front http_;  ///< ends first, begins last: it asks the others
};

}  // namespace gpuinfer::webhook
