// httplib's server, made fit for long streams: it notices clients that leave, bounds every body, and has threads for
// many connections.
#pragma once

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>

#include "runtime/server/http_connection.hpp"

namespace gpuinfer::server {

struct HttpOptions {
  std::size_t max_connections = 512;
  std::size_t max_body_bytes = std::size_t{8} << 20;
  /// How long a read or a write may make no progress.
  std::chrono::milliseconds io_timeout = std::chrono::seconds(30);
  /// How long a connection may stay open between requests; it is closed sooner where others wait for a thread.
  std::chrono::milliseconds keep_alive = std::chrono::seconds(30);
};

/// Every error is a body in OpenAI's shape, also those of HTTP itself.
class HttpServer : private httplib::Server {
 public:
  using Request = httplib::Request;
  using Response = httplib::Response;
  /// May throw ApiError, which becomes the response.
  using Handler = std::function<void(const Request&, Response&, const HttpConnection&)>;

  explicit HttpServer(HttpOptions options);

  ~HttpServer() override;

  /// Before start(). A GET route answers HEAD too; the body of a POST is in `Request::body`. A path that ends in "/"
  /// takes everything below it.
  void route(const std::string& method, const std::string& path, Handler handler);

  /// Listens and serves in threads of its own. Port 0 takes any free one. Returns the port. Throws Error where the
  /// address is taken or not ours.
  int start(const std::string& host, int port);
  /// Takes no more connections, cuts the streams that still run, and waits for the threads.
  void stop();

 private:
  using Route = std::pair<std::string, std::string>;  ///< method, path

  bool process_and_close_socket(socket_t socket) override;
  HandlerResponse dispatch(const Request& request, Response& response);
  const Handler* find(const std::string& method, const std::string& path) const;
  void read_body(Request& request, const httplib::ContentReader& reader) const;

  HttpOptions options_;
  std::atomic<std::size_t> waiting_connections_ = 0;
  std::map<Route, Handler> routes_;
  std::thread listener_;
};

}  // namespace gpuinfer::server
