#include "kube/https_transport.hpp"

#include <mutex>
#include <utility>
#include <vector>

#include "base/version.hpp"
#include "kube/credentials.hpp"
#include "kube/http_connection.hpp"
#include "kube/url.hpp"

namespace gpuinfer::kube {

namespace {

/// A connection to the server, which may be used for one request after the other.
struct Line {
  HttpConnection connection;
  Credential credential;  ///< its client certificate belongs to the connection
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
    try {
      if (std::optional<Line> line = idle_line(credential)) {
        try {
          return exchange_on(std::move(*line), request, receive, stop);
        } catch (const ConnectionError& failure) {
          // The server may close an idle connection just when we use it again.
          if (failure.answer_began() || request.method == "POST") throw;
        }
      }
      return exchange_on(new_line(credential), request, receive, stop);
    } catch (const ConnectionError& failure) {
      throw TransportError(unreachable() + ": " + failure.what(), remedy());
    }
  }

  HttpResponse exchange_on(Line line, const HttpRequest& request, const BodyReceiver& receive,
                           const std::stop_token& stop) {
    if (stop.stop_requested()) throw Interrupted();
    HttpResponse response = line.connection.exchange(request, headers(request, line.credential), receive, stop);
    if (line.connection.is_reusable()) give_back(std::move(line));
    return response;
  }

  std::multimap<std::string, std::string> headers(const HttpRequest& request, const Credential& credential) const {
    std::multimap<std::string, std::string> headers(request.headers.begin(), request.headers.end());
    headers.emplace("Accept", "application/json, */*");
    headers.emplace("User-Agent", std::string("kubectl-gpuinfer/") + kVersion);
    if (!request.body.empty()) headers.emplace("Content-Type", request.content_type);
    if (!credential.authorization.empty()) headers.emplace("Authorization", credential.authorization);
    const User& user = connection_.user;
    if (!user.impersonate.empty()) headers.emplace("Impersonate-User", user.impersonate);
    for (const std::string& group : user.impersonate_groups) headers.emplace("Impersonate-Group", group);
    return headers;
  }

  std::string unreachable() const {
    return "cannot reach the API server " + connection_.cluster.server +
           (proxy_ ? " through the proxy " + authority(*proxy_) : "");
  }

  std::string remedy() const {
    return "is the cluster of context '" + connection_.context +
           "' up, and is it the one you mean? See `kubectl config get-contexts`";
  }

  std::optional<Line> idle_line(const Credential& credential) {
    const std::lock_guard lock(mutex_);
    while (!idle_.empty()) {
      Line line = std::move(idle_.back());
      idle_.pop_back();
      const bool same_certificate = line.credential.client_certificate == credential.client_certificate;
      line.credential = credential;
      if (same_certificate) return line;
    }
    return std::nullopt;
  }

  void give_back(Line line) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(line));
  }

  Line new_line(const Credential& credential) const {
    return {HttpConnection(server_, proxy_, connection_.cluster, credential), credential};
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
