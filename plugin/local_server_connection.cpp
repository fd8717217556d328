// Plain HTTP to 127.0.0.1.
#include "plugin/local_server_connection.hpp"

#include <map>

#include "base/error.hpp"
#include "kube/http_connection.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr std::chrono::seconds kGetTimeout{5};

kube::HttpResponse exchange(int port, const kube::HttpRequest& request, const kube::BodyReceiver& receive) {
  kube::HttpConnection connection({.scheme = "http", .host = "127.0.0.1", .port = port}, std::nullopt, {}, {});
  std::multimap<std::string, std::string> headers;
  if (!request.body.empty()) headers.emplace("Content-Type", request.content_type);
  try {
    return connection.exchange(request, headers, receive, {});
  } catch (const kube::ConnectionError& error) {
    throw Error("the server on port " + std::to_string(port) + " does not answer: " + error.what(),
                "'kubectl gpuinfer status --local' shows what runs, 'kubectl gpuinfer logs NAME --local' what it says");
  }
}

}  // namespace

HttpAnswer LocalServerConnection::get(const std::string& path) {
  const kube::HttpResponse response = exchange(port_, {.path = path, .timeout = kGetTimeout}, {});
  return {.status = response.status, .body = response.body};
}

HttpAnswer LocalServerConnection::post(const std::string& path, const std::string& body,
                                       const std::function<bool(std::string_view)>& on_piece) {
  const kube::HttpResponse response =
      exchange(port_, {.method = "POST", .path = path, .body = body, .timeout = kTokenTimeout}, on_piece);
  return {.status = response.status, .body = response.body};
}

}  // namespace gpuinfer::plugin
