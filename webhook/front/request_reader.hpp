// HTTP/1.1 requests out of the bytes of a connection.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "webhook/front/http.hpp"

namespace gpuinfer::webhook {

struct RequestLimits {
  std::size_t header_bytes = 16 << 10;
  std::size_t body_bytes = 4 << 20;  ///< the API server sends at most 3 MiB
};

/// Reads one request after the other; holds no memory between them.
class RequestReader {
 public:
  enum class State {
    kIdle,      ///< nothing of the next request has arrived
    kHeader,    ///< a part of its header has
    kBody,      ///< its header and perhaps a part of its body have
    kComplete,  ///< take() it
    kRefused,   ///< refusal() says why; nothing more can be read from this connection
  };

  /// A request that gets an answer of 4xx without reaching a handler.
  struct Refusal {
    int status = 400;
    std::string reason;   ///< a label for metrics: "malformed_http", "too_large", "header_too_large"
    std::string message;  ///< for the sender
  };

  explicit RequestReader(const RequestLimits& limits);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  /// Takes what arrived. What follows a complete request is kept for the next one (pipelining).
  void push(std::string_view bytes);

  State state() const { return state_; }
  /// Bytes held of requests that were not taken yet.
  std::size_t held_bytes() const;
  /// True, once for each request, where its sender waits for "100 Continue" before it sends the body.
  bool must_send_continue();
  /// True where the connection may be used again after this request.
  bool keeps_alive() const;
  const Refusal& refusal() const { return refusal_; }

  /// Forgets all that has arrived.
  void clear();

  /// The complete request. Begins with the next one, whose bytes may have arrived already.
  Request take();

 private:
  struct Parser;

  /// Returns how many of `bytes` it used.
  std::size_t parse(std::string_view bytes);
  void refuse(int status, std::string reason, std::string message);

  RequestLimits limits_;
  std::unique_ptr<Parser> parser_;  ///< only while a request is being read
  std::string rest_;                ///< bytes that the parser could not use yet
  State state_ = State::kIdle;
  Refusal refusal_;
};

}  // namespace gpuinfer::webhook
