// The webhook as a running server: HTTPS for the API server, plain HTTP for kubelet and Prometheus.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "policies/policy_set.hpp"
#include "webhook/certificate.hpp"
#include "webhook/current.hpp"
#include "webhook/file_watch.hpp"
#include "webhook/metrics.hpp"

namespace httplib {
class Server;
class SSLServer;
}  // namespace httplib

namespace gpuinfer::webhook {

struct ServerOptions {
  std::filesystem::path policy;  ///< empty: the default document
  int port = 8443;               ///< 0 picks a free one
  int metrics_port = 8080;       ///< 0 picks a free one
  int workers = 64;              ///< connections that are served at one time; others wait
  std::chrono::milliseconds reload_interval{1000};
};

/// Serves from construction to destruction. POST /mutate over HTTPS; GET /healthz, /readyz and /metrics over HTTP.
class Server {
 public:
  /// Presents `certificate` until use_certificate() brings another. Throws Error where a file or a port is not usable.
  Server(const ServerOptions& options, Certificate certificate);
  /// Finishes the requests that have arrived; /readyz says 503 from now on.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// From now on new connections present `certificate`; established ones go on. For any thread.
  void use_certificate(Certificate certificate);
  /// Says in log and metrics that a new certificate is not usable; the last one stays. For any thread.
  void report_unusable_certificate(const Error& error);

  int port() const { return port_; }
  int metrics_port() const { return metrics_port_; }

 private:
  Server(const ServerOptions& options, Certificate certificate, const FileWatch::Contents& policy_files);

  void add_routes();
  void reload_policy(const std::string& file_name, const std::string& text);
  /// Why no reviews should be sent here; empty where they may.
  std::string reason_not_ready() const;

  Metrics metrics_;
  Current<Certificate> certificate_;
  Current<policies::PolicySet> policies_;
  std::atomic<bool> is_stopping_ = false;

  std::unique_ptr<httplib::SSLServer> https_;
  std::unique_ptr<httplib::Server> http_;
  int port_ = 0;
  int metrics_port_ = 0;
  std::thread https_thread_;
  std::thread http_thread_;
  std::unique_ptr<FileWatch> policy_watch_;
};

}  // namespace gpuinfer::webhook
