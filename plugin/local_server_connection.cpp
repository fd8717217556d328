// Plain HTTP to 127.0.0.1.
#include "plugin/local_server_connection.hpp"

#include <httplib.h>

#include "base/error.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr const char* kHost = "127.0.0.1";
constexpr int kConnectSeconds = 2;
constexpr int kGetSeconds = 5;

[[noreturn]] void fail(int port, httplib::Error error) {
  throw Error("the server on port " + std::to_string(port) + " does not answer: " + httplib::to_string(error),
              "'kubectl gpuinfer status --local' shows what runs, 'kubectl gpuinfer logs NAME --local' what it says");
}

}  // namespace

HttpAnswer LocalServerConnection::get(const std::string& path) {
  httplib::Client client(kHost, port_);
  client.set_connection_timeout(kConnectSeconds);
  client.set_read_timeout(kGetSeconds);
  const httplib::Result result = client.Get(path);
  if (!result) fail(port_, result.error());
  return {.status = result->status, .body = result->body};
}

HttpAnswer LocalServerConnection::post(const std::string& path, const std::string& body,
                                       const std::function<bool(std::string_view)>& on_piece) {
  httplib::Client client(kHost, port_);
  client.set_connection_timeout(kConnectSeconds);
  client.set_read_timeout(kTokenTimeout);
  HttpAnswer answer;
  bool stopped = false;
  httplib::Request request;
  request.method = "POST";
  request.path = path;
  request.set_header("Content-Type", "application/json");
  request.body = body;
  request.response_handler = [&](const httplib::Response& response) {
    answer.status = response.status;
    return true;
  };
  request.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
    if (answer.status != 200) {
      answer.body.append(data, size);
      return true;
    }
    stopped = !on_piece({data, size});
    return !stopped;
  };
  const httplib::Result result = client.send(request);
  if (!result && !stopped) fail(port_, result.error());
  return answer;
}

}  // namespace gpuinfer::plugin
