// Bytes over a non-blocking socket, through TLS or as they are.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace gpuinfer::webhook {

/// Never waits: every call does what it can now and says what it needs to go on.
class Stream {
 public:
  enum class Result {
    kDone,
    kWantRead,   ///< call again when the socket is readable
    kWantWrite,  ///< call again when the socket is writable
    kClosed,     ///< the peer has gone, or broke the protocol
  };

  /// `socket` stays the caller's and must not block. Without `tls` bytes are sent as they are.
  Stream(int socket, SSL_CTX* tls);

  Result handshake();
  /// At least one byte into `buffer`; `size` says how many.
  Result read(std::span<char> buffer, std::size_t& size);
  /// Takes bytes from the front of `bytes`; kDone when all are gone.
  Result write(std::string_view& bytes);
  /// Throws away what the peer still sends, undecrypted; kClosed when it has ended.
  Result discard();
  /// Tells the peer that nothing more will come.
  void close_writes();

  /// True where read() has bytes although the socket may have none.
  bool has_buffered() const { return ssl_ && SSL_has_pending(ssl_.get()) == 1; }
  /// True where the failed handshake began with plain HTTP.
  bool has_met_plain_http() const { return has_met_plain_http_; }
  /// Sends `bytes` as they are, as far as the socket takes them at once.
  void write_plain(std::string_view bytes);

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  Result result_of(int outcome);

  int socket_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  bool has_met_plain_http_ = false;
};

}  // namespace gpuinfer::webhook
