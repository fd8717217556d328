// A server over HTTP, with a model that recites the alphabet, and the clients that tests send to it.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <semaphore>
#include <thread>

#include "base/log.hpp"
#include "catch.hpp"
#include "runtime/server/alphabet_model.hpp"
#include "runtime/server/server.hpp"

namespace gpuinfer::server {

/// A server on a free port of the loopback interface.
class TestServer {
 public:
  explicit TestServer(ServerOptions options = {}) : server_(with_loopback(std::move(options))), port_(server_.start()) {
    set_log_level(LogLevel::kError);
  }

  Server& server() { return server_; }
  int port() const { return port_; }

  std::shared_ptr<ServedModel> serve(engine::EngineOptions options = {}, std::function<void()> before_forward = {}) {
    options.on_step = [this](const engine::StepReport& report) { server_.metrics().on_step(report); };
    auto model = alphabet_model(std::move(options), std::move(before_forward));
    server_.serve(model);
    return model;
  }

  httplib::Result get(const std::string& path) const { return client().Get(path); }
  httplib::Result post(const std::string& path, const std::string& body, const httplib::Headers& headers = {}) const {
    return client().Post(path, headers, body, "application/json");
  }
  /// The value of a metric, by the beginning of its line.
  double metric(const std::string& name) const {
    const std::string text = get("/metrics")->body;
    const auto line = text.find("\n" + name);
    REQUIRE(line != std::string::npos);
    return std::stod(text.substr(text.find("} ", line) + 2));
  }
  void wait_for_metric(const std::string& name, double value) const {
    while (metric(name) != value) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

 private:
  static ServerOptions with_loopback(ServerOptions options) {
    options.host = "127.0.0.1";
    options.port = 0;
    options.served_model_name = "alphabet";
    return options;
  }
  httplib::Client client() const {
    httplib::Client client("127.0.0.1", port_);
    client.set_read_timeout(std::chrono::seconds(600));
    return client;
  }

  Server server_;
  int port_;
};

/// A connection without a client library, for what well-behaved clients do not do.
class RawConnection {
 public:
  explicit RawConnection(int port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  }
  ~RawConnection() { close(socket_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  void send(const std::string& bytes) { ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  void post(const std::string& path, const std::string& body) {
    send("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  /// Reads until `text` has come, or the end.
  std::string read_until(const std::string& text) {
    std::string read;
    std::array<char, 4096> buffer;
    while (read.find(text) == std::string::npos) {
      const ssize_t size = recv(socket_, buffer.data(), buffer.size(), 0);
      if (size <= 0) break;
      read.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return read;
  }

 private:
  int socket_;
};

/// Lets the engine take as many steps as the test says.
class Steps {
 public:
  std::function<void()> gate() {
    return [this] {
      started_.release();
      if (!open_) allowed_.acquire();
    };
  }
  void wait_until_started() { started_.acquire(); }
  void allow_one() { allowed_.release(); }
  void allow_all() {
    open_ = true;
    allowed_.release();
  }

 private:
  std::counting_semaphore<> started_{0};
  std::counting_semaphore<> allowed_{0};
  std::atomic<bool> open_ = false;
};

/// The JSON objects of a stream; the last event must be [DONE].
inline std::vector<Json> events(const std::string& body) {
  std::vector<Json> result;
  std::size_t begin = 0;
  bool done = false;
  while (begin < body.size()) {
    const std::size_t end = body.find("\n\n", begin);
    REQUIRE(end != std::string::npos);
    REQUIRE(body.compare(begin, 6, "data: ") == 0);
    const std::string data = body.substr(begin + 6, end - begin - 6);
    REQUIRE_FALSE(done);
    done = data == "[DONE]";
    if (!done) result.push_back(Json::parse(data));
    begin = end + 2;
  }
  REQUIRE(done);
  return result;
}

inline Json error_of(const httplib::Result& response) { return Json::parse(response->body).at("error"); }

inline const std::string kChat = "/v1/chat/completions";
inline const std::string kCompletions = "/v1/completions";

/// The body of a chat of one message, with `more` fields.
inline std::string chat(const std::string& content, const std::string& more = "") {
  return R"({"model": "alphabet", "messages": [{"role": "user", "content": ")" + content + "\"}]" + more + "}";
}

}  // namespace gpuinfer::server
