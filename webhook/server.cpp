#include "webhook/server.hpp"

#include <httplib.h>
#include <sys/socket.h>

#include <functional>
#include <utility>

#include "base/log.hpp"
#include "webhook/review_handler.hpp"

namespace gpuinfer::webhook {

namespace {

/// Waiting connections that the kernel keeps for us; cpp-httplib asks for 5, which one burst of pods overruns.
constexpr int kBacklog = 1024;
/// Shorter than the 3 s that the API server waits for us: an idle connection occupies a worker for so long.
constexpr time_t kIdleSeconds = 2;
constexpr time_t kReadSeconds = 2;
constexpr time_t kWriteSeconds = 5;
constexpr std::size_t kRequestsPerConnection = 100'000;
constexpr int kMetricsWorkers = 2;
constexpr int kNotReady = 503;

template <typename HttpServer>
class Listener : public HttpServer {
 public:
  using HttpServer::HttpServer;

  /// Listens on `port` of all addresses, IPv6 and IPv4. Returns the port. Throws Error.
  int bind(int port) {
    for (const char* address : {"::", "0.0.0.0"}) {  // the second where the machine has no IPv6
      const int bound = port == 0 ? this->bind_to_any_port(address) : this->bind_to_port(address, port) ? port : -1;
      if (bound < 0) continue;
      ::listen(this->svr_sock_, kBacklog);
      return bound;
    }
    throw Error("cannot listen on port " + std::to_string(port), "is another process using it?");
  }
};

/// What both servers have in common.
void configure(httplib::Server& server, int workers) {
  server.new_task_queue = [workers] { return new httplib::ThreadPool(static_cast<std::size_t>(workers)); };
  server.set_keep_alive_max_count(kRequestsPerConnection);
  server.set_keep_alive_timeout(kIdleSeconds);
  server.set_read_timeout(kReadSeconds);
  server.set_write_timeout(kWriteSeconds);
  server.set_payload_max_length(kMaxBodyBytes);
  server.set_tcp_nodelay(true);
  // Without SO_REUSEPORT, cpp-httplib's default, with which two processes would share a port and nobody notice.
  server.set_socket_options([](socket_t socket) {
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  });
}

int present_certificate(SSL* connection, void* certificate) {
  return static_cast<const Current<Certificate>*>(certificate)->get()->use_for(connection) ? 1 : 0;
}

std::vector<std::filesystem::path> policy_paths(const ServerOptions& options) {
  return options.policy.empty() ? std::vector<std::filesystem::path>{} : std::vector{options.policy};
}

policies::PolicySet load_policies(const ServerOptions& options, const FileWatch::Contents& document) {
  return document.empty() ? policies::default_policies()
                          : policies::parse_policy_files({{options.policy.string(), document.front()}});
}

}  // namespace

Server::Server(const ServerOptions& options, Certificate certificate)
    : Server(options, std::move(certificate), read_files(policy_paths(options))) {}

Server::Server(const ServerOptions& options, Certificate certificate, const FileWatch::Contents& policy_files)
    : certificate_(std::move(certificate)), policies_(load_policies(options, policy_files)) {
  metrics_.set_certificate_expiry(certificate_.get()->not_after());
  const std::function<bool(SSL_CTX&)> set_up_tls = [this](SSL_CTX& context) {
    SSL_CTX_set_cert_cb(&context, present_certificate, &certificate_);
    return SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION) == 1;
  };
  auto https = std::make_unique<Listener<httplib::SSLServer>>(set_up_tls);
  auto http = std::make_unique<Listener<httplib::Server>>();
  configure(*https, options.workers);
  configure(*http, kMetricsWorkers);
  port_ = https->bind(options.port);
  metrics_port_ = http->bind(options.metrics_port);
  https_ = std::move(https);
  http_ = std::move(http);
  add_routes();
  if (!options.policy.empty()) {
    policy_watch_ =
        std::make_unique<FileWatch>(policy_paths(options), policy_files, options.reload_interval,
                                    [this, name = options.policy.string()](const FileWatch::Contents& contents) {
                                      reload_policy(name, contents.front());
                                    });
  }
  https_thread_ = std::thread([this] { https_->listen_after_bind(); });
  http_thread_ = std::thread([this] { http_->listen_after_bind(); });
  while (!https_->is_running() || !http_->is_running()) std::this_thread::yield();  // stop() before would be lost
}

Server::~Server() {
  is_stopping_ = true;
  https_->stop();
  https_thread_.join();
  http_->stop();
  http_thread_.join();
}

void Server::add_routes() {
  https_->Post("/mutate", httplib::Server::HandlerWithContentReader(ReviewHandler(policies_, metrics_)));

  http_->Get("/healthz",
             [](const httplib::Request&, httplib::Response& response) { response.set_content("ok\n", "text/plain"); });
  http_->Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
    const std::string reason = reason_not_ready();
    response.status = reason.empty() ? 200 : kNotReady;
    response.set_content((reason.empty() ? "ok" : reason) + "\n", "text/plain");
  });
  http_->Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
    response.set_content(metrics_.text(), "text/plain; version=0.0.4");
  });
}

void Server::use_certificate(Certificate certificate) {
  metrics_.set_certificate_expiry(certificate.not_after());
  certificate_.set(std::move(certificate));
  metrics_.count_certificate_reload(true);
  log(LogLevel::kInfo, "new connections use the new certificate");
}

void Server::report_unusable_certificate(const Error& error) {
  metrics_.count_certificate_reload(false);
  log(LogLevel::kError, "the changed certificate is not usable; the last one stays", {{"error", error.what()}});
}

void Server::reload_policy(const std::string& file_name, const std::string& text) {
  try {
    policies::PolicySet policies = policies::parse_policy_files({{file_name, text}});
    log(LogLevel::kInfo, "the new policy documents count", {{"documents", policies.names()}});
    policies_.set(std::move(policies));
    metrics_.count_policy_reload(true);
  } catch (const Error& error) {
    metrics_.count_policy_reload(false);
    log(LogLevel::kError, "the changed policy document is not usable; the last one stays",
        {{"error", error.what()}, {"remedy", error.remedy()}});
  }
}

std::string Server::reason_not_ready() const {
  if (is_stopping_) return "stopping";
  if (certificate_.get()->not_after() <= std::chrono::system_clock::now()) return "the certificate has expired";
  return "";
}

}  // namespace gpuinfer::webhook
