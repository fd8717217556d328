#include "kube/http_connection.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <limits>
#include <utility>

#include "base/base64.hpp"
#include "kube/tls.hpp"

namespace gpuinfer::kube {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using std::chrono::seconds;

constexpr seconds kConnectTimeout{10};
constexpr std::size_t kPieceBytes = 16 * 1024;
constexpr std::uint32_t kHeaderBytes = 256 * 1024;

/// Finds connections whose other end vanished without a word, within a minute.
void keep_alive(int socket) {
  const auto set = [&](int level, int option, int value) { setsockopt(socket, level, option, &value, sizeof value); };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

}  // namespace

class HttpConnection::Implementation {
 public:
  Implementation(const Url& server, const std::optional<Url>& proxy, const Cluster& cluster,
                 const Credential& credential)
      : server_(server), proxy_(proxy), tls_(tls_context(cluster, credential)) {}

  HttpResponse exchange(const HttpRequest& request, const std::multimap<std::string, std::string>& headers,
                        const BodyReceiver& receive, const std::stop_token& stop) {
    if (!std::exchange(is_reusable_, false)) open(stop);
    write(request, headers, stop);
    return read(request, receive, stop);
  }

  bool is_reusable() const { return is_reusable_; }

 private:
  using Stream = asio::ssl::stream<beast::tcp_stream>;

  /// Made before the stream, which takes the settings over when it is made.
  asio::ssl::context tls_context(const Cluster& cluster, const Credential& credential) {
    asio::ssl::context context(asio::ssl::context::tls_client);
    if (is_tls()) set_up_tls(context.native_handle(), server_.host, cluster, credential, &tls_failure_);
    return context;
  }

  bool is_tls() const { return server_.scheme == "https"; }
  beast::tcp_stream& tcp() { return stream_.next_layer(); }

  /// Runs one asynchronous operation, `start(handler)`, to its end: in this thread, for at most `limit` (0: for ever),
  /// until `stop` says so.
  template <typename Start>
  error_code finish(seconds limit, const std::stop_token& stop, const Start& start) {
    error_code result;
    if (limit == seconds(0)) {
      tcp().expires_never();
    } else {
      tcp().expires_after(limit);
    }
    start([&result](error_code error, auto&&...) { result = error; });
    context_.restart();
    {
      const std::stop_callback on_stop(stop, [this] { context_.stop(); });
      context_.run();
    }
    if (stop.stop_requested()) throw Interrupted();
    return result;
  }

  /// The same for an operation on the connection as it is, with TLS or without: `start(stream, handler)`.
  template <typename Start>
  error_code finish_on_stream(seconds limit, const std::stop_token& stop, const Start& start) {
    return finish(limit, stop, [&](auto handler) {
      if (is_tls()) {
        start(stream_, std::move(handler));
      } else {
        start(tcp(), std::move(handler));
      }
    });
  }

  void open(const std::stop_token& stop) {
    const Url& peer = proxy_ ? *proxy_ : server_;
    error_code error;
    const auto addresses = asio::ip::tcp::resolver(context_).resolve(peer.host, std::to_string(peer.port), error);
    if (error) throw ConnectionError(error.message(), false);
    error = finish(kConnectTimeout, stop, [&](auto handler) { tcp().async_connect(addresses, std::move(handler)); });
    if (error == beast::error::timeout) {
      throw ConnectionError("no answer within " + std::to_string(kConnectTimeout.count()) + " seconds", false);
    }
    if (error) throw ConnectionError("nothing answers there (" + error.message() + ")", false);
    keep_alive(tcp().socket().native_handle());
    if (proxy_ && is_tls()) open_tunnel(stop);
    if (is_tls()) shake_hands(stop);
  }

  /// Has the proxy connect us to the server (RFC 9110, section 9.3.6).
  void open_tunnel(const std::stop_token& stop) {
    http::request<http::empty_body> connect(http::verb::connect, authority(server_), 11);
    connect.set(http::field::host, authority(server_));
    authorize_at_proxy(connect);
    error_code error =
        finish(kConnectTimeout, stop, [&](auto handler) { http::async_write(tcp(), connect, std::move(handler)); });
    http::response_parser<http::empty_body> parser;
    parser.skip(true);  // the tunnel's own bytes follow the head
    if (!error) {
      error = finish(kConnectTimeout, stop,
                     [&](auto handler) { http::async_read_header(tcp(), buffer_, parser, std::move(handler)); });
    }
    if (error) throw ConnectionError("the proxy does not answer: " + error.message(), false);
    if (http::to_status_class(parser.get().result()) != http::status_class::successful) {
      throw ConnectionError(
          "the proxy answers " + std::to_string(parser.get().result_int()) + " " + std::string(parser.get().reason()),
          false);
    }
  }

  void shake_hands(const std::stop_token& stop) {
    set_server_name(stream_.native_handle());
    const error_code error = finish(kConnectTimeout, stop, [&](auto handler) {
      stream_.async_handshake(asio::ssl::stream_base::client, std::move(handler));
    });
    if (!error) return;
    const std::string& reason = tls_failure_.reason();
    throw ConnectionError("TLS: " + (reason.empty() ? error.message() : reason), false);
  }

  template <typename Fields>
  void authorize_at_proxy(Fields& fields) const {
    if (!proxy_->user_info.empty()) {
      fields.set(http::field::proxy_authorization, "Basic " + base64_encode(proxy_->user_info));
    }
  }

  void write(const HttpRequest& request, const std::multimap<std::string, std::string>& headers,
             const std::stop_token& stop) {
    // A proxy without a tunnel is told the whole address.
    const bool is_relayed = proxy_ && !is_tls();
    const std::string target = (is_relayed ? "http://" + authority(server_) : "") + server_.path + request.path;
    http::request<http::string_body> raw;
    raw.version(11);
    raw.method_string(request.method);
    raw.target(target);
    raw.set(http::field::host, authority(server_));
    for (const auto& [name, value] : headers) raw.insert(name, value);
    if (is_relayed) authorize_at_proxy(raw);
    raw.body() = request.body;
    raw.prepare_payload();
    const error_code error = finish_on_stream(
        request.timeout, stop, [&](auto& stream, auto handler) { http::async_write(stream, raw, std::move(handler)); });
    if (error) throw lost(error, request, false);
  }

  HttpResponse read(const HttpRequest& request, const BodyReceiver& receive, const std::stop_token& stop) {
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(std::numeric_limits<std::uint64_t>::max());
    parser.header_limit(kHeaderBytes);
    error_code error = finish_on_stream(request.timeout, stop, [&](auto& stream, auto handler) {
      http::async_read_header(stream, buffer_, parser, std::move(handler));
    });
    if (error) throw lost(error, request, false);

    HttpResponse response;
    response.status = static_cast<int>(parser.get().result_int());
    for (const auto& field : parser.get()) response.headers.emplace(field.name_string(), field.value());
    const bool is_success = response.status >= 200 && response.status < 300;
    std::array<char, kPieceBytes> piece;
    while (!parser.is_done()) {
      auto& body = parser.get().body();
      body.data = piece.data();
      body.size = piece.size();
      error = finish_on_stream(request.timeout, stop, [&](auto& stream, auto handler) {
        http::async_read_some(stream, buffer_, parser, std::move(handler));
      });
      if (error && error != http::error::need_buffer) throw lost(error, request, true);
      const std::string_view bytes(piece.data(), piece.size() - body.size);
      if (!receive || !is_success) {
        response.body += bytes;
      } else if (!bytes.empty() && !receive(bytes)) {
        return response;
      }
      if (stop.stop_requested()) throw Interrupted();
    }
    is_reusable_ = parser.get().keep_alive();
    return response;
  }

  static ConnectionError lost(const error_code& error, const HttpRequest& request, bool answer_began) {
    if (error == beast::error::timeout) {
      return {"the server was silent for " + std::to_string(request.timeout.count()) + " seconds", answer_began};
    }
    return {"the connection was lost: " + error.message(), answer_began};
  }

  const Url server_;
  const std::optional<Url> proxy_;
  TlsFailure tls_failure_;
  asio::io_context context_{1};
  asio::ssl::context tls_;
  Stream stream_{context_, tls_};
  beast::flat_buffer buffer_;
  bool is_reusable_ = false;
};

HttpConnection::HttpConnection(const Url& server, const std::optional<Url>& proxy, const Cluster& cluster,
                               const Credential& credential)
    : implementation_(std::make_unique<Implementation>(server, proxy, cluster, credential)) {}

HttpConnection::HttpConnection(HttpConnection&&) noexcept = default;
HttpConnection& HttpConnection::operator=(HttpConnection&&) noexcept = default;
HttpConnection::~HttpConnection() = default;

HttpResponse HttpConnection::exchange(const HttpRequest& request,
                                      const std::multimap<std::string, std::string>& headers,
                                      const BodyReceiver& receive, const std::stop_token& stop) {
  return implementation_->exchange(request, headers, receive, stop);
}

bool HttpConnection::is_reusable() const { return implementation_->is_reusable(); }

}  // namespace gpuinfer::kube
