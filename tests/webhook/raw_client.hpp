// A client that sends exactly the bytes that a test wants, over TCP or TLS.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

namespace gpuinfer::webhook {

/// Connects to the loopback interface; whatever fails shows as missing bytes. Waits at most 30 s for an answer.
class RawClient {
 public:
  explicit RawClient(int port);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool is_connected() const { return is_connected_; }

  /// Speaks TLS from now on, whoever the server is; resumes `session` where there is one.
  bool start_tls(SSL_SESSION* session = nullptr);
  SSL* tls() const { return ssl_.get(); }

  /// False where the server has gone.
  bool send(std::string_view bytes);
  /// What comes until `text` has come, including it; or until the server closes.
  std::string receive_until(std::string_view text);
  /// What comes until the server closes.
  std::string receive_all();

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  struct FreeSslContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  int socket_;
  bool is_connected_;
  std::unique_ptr<SSL_CTX, FreeSslContext> context_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
};

/// A POST of `body` as JSON.
std::string post_request(std::string_view path, std::string_view body, std::string_view more_headers = "");

}  // namespace gpuinfer::webhook
