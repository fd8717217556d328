#include "kube/https_transport.hpp"

#include <fcntl.h>
#include <httplib.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <mutex>
#include <semaphore>
#include <thread>
#include <utility>
#include <vector>

#include "base/version.hpp"
#include "kube/credentials.hpp"
#include "kube/tls.hpp"
#include "kube/url.hpp"

namespace gpuinfer::kube {

namespace {

using std::chrono::seconds;

constexpr seconds kConnectTimeout{10};
/// As good as no limit, in what poll() takes (milliseconds in an int).
constexpr seconds kForever{2'000'000};

/// Finds connections whose other end vanished without a word, within a minute.
void keep_alive(socket_t socket) {
  const auto set = [&](int level, int option, int value) { setsockopt(socket, level, option, &value, sizeof value); };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

/// Ends a connection from another thread, whatever state it is in. httplib's own stop() waits until a handshake is
/// over.
class Breaker {
 public:
  Breaker() = default;
  Breaker(const Breaker&) = delete;
  Breaker& operator=(const Breaker&) = delete;
  ~Breaker() { close(); }

  /// Takes a descriptor of its own for `socket`, which nobody else can close and reuse meanwhile.
  void guard(socket_t socket) {
    const std::lock_guard lock(mutex_);
    close();
    descriptor_ = fcntl(socket, F_DUPFD_CLOEXEC, 0);
  }

  void break_connection() {
    const std::lock_guard lock(mutex_);
    if (descriptor_ >= 0) shutdown(descriptor_, SHUT_RDWR);
  }

 private:
  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  std::mutex mutex_;
  int descriptor_ = -1;
};

/// Why `host` cannot be connected to: the resolver's reason, or a general one.
std::string connection_reason(const std::string& host) {
  addrinfo* addresses = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, nullptr, &addresses);
  if (error != 0) return gai_strerror(error);
  freeaddrinfo(addresses);
  return "nothing answers there";
}

/// A connection to the server, which may be used for one request after the other.
struct Line {
  std::unique_ptr<TlsFailure> tls_failure = std::make_unique<TlsFailure>();
  std::unique_ptr<Breaker> breaker = std::make_unique<Breaker>();
  std::unique_ptr<httplib::ClientImpl> client;
  Credential credential;  ///< its client certificate belongs to the connection
  bool used = false;
};

class HttpsTransport : public Transport {
 public:
  explicit HttpsTransport(const Connection& connection)
      : connection_(connection),
        server_(parse_url(connection.cluster.server, "server")),
        credentials_(connection.user, connection.cluster) {
    if (server_.scheme != "https" && server_.scheme != "http") {
      throw Error("server '" + connection.cluster.server + "' is neither https:// nor http://");
    }
    if (!connection.cluster.proxy_url.empty()) {
      proxy_ = parse_url(connection.cluster.proxy_url, "proxy-url");
      if (proxy_->scheme != "http") {
        throw Error("proxy-url '" + connection.cluster.proxy_url + "': a proxy of kind '" + proxy_->scheme +
                        "' is not supported",
                    "use an http:// proxy");
      }
    }
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that the server may have closed
  }

  HttpResponse send(const HttpRequest& request, const BodyReceiver& receive, std::stop_token stop) override {
    const Credential credential = credentials_.current(stop);
    HttpResponse response = exchange(request, credential, receive, stop);
    constexpr int kUnauthorized = 401;
    if (response.status == kUnauthorized && credentials_.renew(credential)) {
      response = exchange(request, credentials_.current(stop), receive, stop);
    }
    return response;
  }

 private:
  HttpResponse exchange(const HttpRequest& request, const Credential& credential, const BodyReceiver& receive,
                        const std::stop_token& stop) {
    Line line = take_line(credential);
    const bool reused = line.used;
    HttpResponse response;
    std::string failure = exchange_on(line, request, receive, stop, response);
    // The server may close an idle connection just when we use it again.
    const bool may_repeat = reused && response.status == 0 && request.method != "POST";
    if (!failure.empty() && may_repeat) {
      line = new_line(credential);
      failure = exchange_on(line, request, receive, stop, response);
    }
    if (!failure.empty()) throw TransportError(unreachable() + ": " + failure, remedy());
    give_back(std::move(line));
    return response;
  }

  /// The reason where the exchange failed.
  std::string exchange_on(Line& line, const HttpRequest& request, const BodyReceiver& receive,
                          const std::stop_token& stop, HttpResponse& response) {
    if (stop.stop_requested()) throw Interrupted();
    std::exception_ptr thrown;  // by `receive`: httplib's locks must not see it
    httplib::Request raw = raw_request(request, line.credential);
    raw.response_handler = [&](const httplib::Response& head) {
      response.status = head.status;
      return !stop.stop_requested();
    };
    raw.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
      const bool is_success = response.status >= 200 && response.status < 300;
      if (!receive || !is_success) {
        response.body.append(data, size);
        return true;
      }
      try {
        return receive(std::string_view(data, size)) && !stop.stop_requested();
      } catch (...) {
        thrown = std::current_exception();
        return false;
      }
    };
    line.client->set_read_timeout(request.timeout == seconds(0) ? kForever : request.timeout);

    httplib::Response raw_response;
    auto error = httplib::Error::Success;
    {
      std::binary_semaphore finished(0);
      const std::stop_callback on_stop(stop, [&, requester = std::this_thread::get_id()] {
        if (std::this_thread::get_id() == requester) return;  // from within `receive`: looked at when that returns
        // Again and again, because the request may not have made its connection yet.
        while (!finished.try_acquire_for(std::chrono::milliseconds(20))) line.breaker->break_connection();
      });
      line.client->send(raw, raw_response, error);
      finished.release();
    }
    line.used = true;
    if (thrown) std::rethrow_exception(thrown);
    if (stop.stop_requested()) throw Interrupted();
    if (error == httplib::Error::Success || error == httplib::Error::Canceled) {
      response.status = raw_response.status;
      response.headers.insert(raw_response.headers.begin(), raw_response.headers.end());
      return "";
    }
    return reason(line, error, request);
  }

  httplib::Request raw_request(const HttpRequest& request, const Credential& credential) const {
    httplib::Request raw;
    raw.method = request.method;
    raw.path = server_.path + request.path;
    raw.body = request.body;
    raw.headers.emplace("Accept", "application/json, */*");
    raw.headers.emplace("User-Agent", std::string("kubectl-gpuinfer/") + kVersion);
    if (!request.body.empty()) raw.headers.emplace("Content-Type", request.content_type);
    if (!credential.authorization.empty()) raw.headers.emplace("Authorization", credential.authorization);
    const User& user = connection_.user;
    if (!user.impersonate.empty()) raw.headers.emplace("Impersonate-User", user.impersonate);
    for (const std::string& group : user.impersonate_groups) raw.headers.emplace("Impersonate-Group", group);
    for (const auto& header : request.headers) raw.headers.insert(header);
    return raw;
  }

  std::string reason(const Line& line, httplib::Error error, const HttpRequest& request) const {
    switch (error) {
      case httplib::Error::Connection:
        return connection_reason(proxy_ ? proxy_->host : server_.host);
      case httplib::Error::ConnectionTimeout:
        return "no answer within " + std::to_string(kConnectTimeout.count()) + " seconds";
      case httplib::Error::SSLConnection:
        return "TLS: " + line.tls_failure->reason();
      case httplib::Error::Read:
        return "the connection was lost, or the server was silent for " + std::to_string(request.timeout.count()) +
               " seconds";
      default:
        return httplib::to_string(error);
    }
  }

  std::string unreachable() const {
    return "cannot reach the API server " + connection_.cluster.server +
           (proxy_ ? " through the proxy " + connection_.cluster.proxy_url : "");
  }

  std::string remedy() const {
    return "is the cluster of context '" + connection_.context +
           "' up, and is it the one you mean? See `kubectl config get-contexts`";
  }

  Line take_line(const Credential& credential) {
    {
      const std::lock_guard lock(mutex_);
      while (!idle_.empty()) {
        Line line = std::move(idle_.back());
        idle_.pop_back();
        const bool same_certificate = line.credential.client_certificate == credential.client_certificate;
        line.credential = credential;
        if (same_certificate) return line;
      }
    }
    return new_line(credential);
  }

  void give_back(Line line) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(line));
  }

  Line new_line(const Credential& credential) const {
    Line line;
    line.credential = credential;
    if (server_.scheme == "https") {
      auto client = std::make_unique<httplib::SSLClient>(server_.host, server_.port);
      client->enable_server_certificate_verification(false);  // httplib's; OpenSSL's own is set up here
      set_up_tls(client->ssl_context(), server_.host, connection_.cluster, credential, line.tls_failure.get());
      line.client = std::move(client);
    } else {
      line.client = std::make_unique<httplib::ClientImpl>(server_.host, server_.port);
    }
    line.client->set_keep_alive(true);
    line.client->set_url_encode(false);
    line.client->set_tcp_nodelay(true);
    line.client->set_socket_options([breaker = line.breaker.get()](socket_t socket) {
      keep_alive(socket);
      breaker->guard(socket);
    });
    line.client->set_connection_timeout(kConnectTimeout);
    if (proxy_) {
      line.client->set_proxy(proxy_->host, proxy_->port);
      const std::size_t colon = proxy_->user_info.find(':');
      if (colon != std::string::npos) {
        line.client->set_proxy_basic_auth(proxy_->user_info.substr(0, colon), proxy_->user_info.substr(colon + 1));
      }
    }
    return line;
  }

  const Connection connection_;
  const Url server_;
  std::optional<Url> proxy_;
  Credentials credentials_;
  std::mutex mutex_;
  std::vector<Line> idle_;
};

}  // namespace

std::unique_ptr<Transport> https_transport(const Connection& connection) {
  return std::make_unique<HttpsTransport>(connection);
}

}  // namespace gpuinfer::kube
