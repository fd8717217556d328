// The webhook as a running server: HTTPS for the API server, plain HTTP for kubelet and Prometheus.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "policies/policy_document.hpp"
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
  std::filesystem::path tls_cert;
  std::filesystem::path tls_key;
  std::filesystem::path policy;  ///< empty: the default document
  int port = 8443;               ///< 0 picks a free one
  int metrics_port = 8080;       ///< 0 picks a free one
  int workers = 64;              ///< connections that are served at one time; others wait
  std::chrono::milliseconds reload_interval{1000};
};

/// Serves from construction to destruction. POST /mutate over HTTPS; GET /healthz, /readyz and /metrics over HTTP.
class Server {
 public:
  /// Throws Error where a file or a port is not usable.
  explicit Server(const ServerOptions& options);
  /// Finishes the requests that have arrived; /readyz says 503 from now on.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const { return port_; }
  int metrics_port() const { return metrics_port_; }

 private:
  /// What the files hold at the start; what they hold later is compared with it.
  struct Files {
    FileWatch::Contents certificate;  ///< chain and key
    FileWatch::Contents policy;       ///< one document, or nothing
  };
  Server(const ServerOptions& options, const Files& files);

  void add_routes();
  void watch_files(const ServerOptions& options, const Files& files);
  void reload_certificate(const FileWatch::Contents& pair);
  void reload_policy(const std::string& file_name, const std::string& text);
  /// Why no reviews should be sent here; empty where they may.
  std::string reason_not_ready() const;

  Metrics metrics_;
  Current<Certificate> certificate_;
  Current<policies::InjectionPolicy> policy_;
  std::atomic<bool> is_stopping_ = false;

  std::unique_ptr<httplib::SSLServer> https_;
  std::unique_ptr<httplib::Server> http_;
  int port_ = 0;
  int metrics_port_ = 0;
  std::thread https_thread_;
  std::thread http_thread_;
  std::unique_ptr<FileWatch> certificate_watch_;
  std::unique_ptr<FileWatch> policy_watch_;
};

}  // namespace gpuinfer::webhook
