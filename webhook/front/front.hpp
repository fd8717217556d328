// An HTTP/1.1 server that serves many connections with few threads, and lets no client take more than its share.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "webhook/front/http.hpp"
#include "webhook/front/request_reader.hpp"

namespace gpuinfer::webhook {

struct FrontLimits {
  RequestLimits request{};
  /// One more connection closes the one that has been waiting for its client the longest. An idle one over TLS takes
  /// 25 KiB.
  std::size_t max_connections = 2048;
  /// All unfinished requests together; a request above that is answered with 503.
  std::size_t max_held_bytes = 32 << 20;

  std::chrono::milliseconds handshake{5000};
  std::chrono::milliseconds header{5000};  ///< from its first byte to its last
  std::chrono::milliseconds body{5000};
  std::chrono::milliseconds write{5000};
  /// Longer than the 90 s after which the API server closes an idle connection itself: whoever closes first may meet
  /// a request that is on its way.
  std::chrono::milliseconds idle{120'000};
};

struct FrontOptions {
  int port = 0;  ///< 0 picks a free one
  int threads = 1;
  FrontLimits limits{};
};

/// How a connection ended.
enum class Ending {
  kClosed,     ///< by the client, or after a last answer
  kIdle,       ///< after too long a time without a request
  kTimeout,    ///< in the middle of something
  kEvicted,    ///< made room for another one
  kHandshake,  ///< the client did not speak TLS, or not ours
};

/// "closed", "idle", "timeout", "evicted", "handshake": for metrics.
const char* name(Ending ending);

/// What a front tells besides its answers. Called by several threads at once.
struct FrontEvents {
  /// A request was answered without reaching the handler; `reason` is one of "malformed_http", "header_too_large",
  /// "too_large", "timeout", "plain_http", "busy", "failed".
  std::function<void(int status, const std::string& reason, const std::string& message)> on_refused_request;
  std::function<void(Ending)> on_ended_connection;
};

/// Listens on all addresses, IPv6 and IPv4, from construction to destruction.
class Front {
 public:
  /// Without `tls` it speaks plain HTTP; with it, the context must outlive the front. Throws Error where the port is
  /// not to be had.
  Front(const FrontOptions& options, SSL_CTX* tls, Handler handler, FrontEvents events);
  /// Ends all connections at once.
  ~Front();
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;

  int port() const;
  std::size_t connections() const;

  /// Ends without losing a request. For `notice`, all goes on, but each answer asks its client to close the connection:
  /// the time that a cluster takes to send its requests elsewhere. Then no connection is accepted, idle ones are
  /// closed, and the others have up to `patience` to finish.
  void drain(std::chrono::milliseconds notice, std::chrono::milliseconds patience);

 private:
  class Listener;
  std::unique_ptr<Listener> listener_;
};

}  // namespace gpuinfer::webhook
