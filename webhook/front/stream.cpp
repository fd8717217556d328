#include "webhook/front/stream.hpp"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <new>

namespace gpuinfer::webhook {

namespace {

Stream::Result result_of_errno(Stream::Result when_blocked) {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? when_blocked : Stream::Result::kClosed;
}

}  // namespace

Stream::Stream(int socket, SSL_CTX* tls) : socket_(socket), ssl_(tls ? SSL_new(tls) : nullptr) {
  if (!tls) return;
  if (!ssl_) throw std::bad_alloc();
  SSL_set_fd(ssl_.get(), socket);
  SSL_set_accept_state(ssl_.get());
}

Stream::Result Stream::handshake() {
  if (!ssl_) return Result::kDone;
  ERR_clear_error();
  return result_of(SSL_do_handshake(ssl_.get()));
}

Stream::Result Stream::read(std::span<char> buffer, std::size_t& size) {
  if (ssl_) {
    ERR_clear_error();
    return result_of(SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &size));
  }
  const ssize_t count = ::recv(socket_, buffer.data(), buffer.size(), 0);
  if (count < 0) return result_of_errno(Result::kWantRead);
  size = static_cast<std::size_t>(count);
  return count == 0 ? Result::kClosed : Result::kDone;
}

Stream::Result Stream::write(std::string_view& bytes) {
  while (!bytes.empty()) {
    std::size_t size = 0;
    Result result = Result::kDone;
    if (ssl_) {
      ERR_clear_error();
      result = result_of(SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &size));
    } else {
      const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count < 0) result = result_of_errno(Result::kWantWrite);
      size = count < 0 ? 0 : static_cast<std::size_t>(count);
    }
    if (result != Result::kDone) return result;
    bytes.remove_prefix(size);
  }
  return Result::kDone;
}

Stream::Result Stream::discard() {
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t count = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (count == 0) return Result::kClosed;
    if (count < 0) return result_of_errno(Result::kWantRead);
  }
}

void Stream::close_writes() {
  ERR_clear_error();
  if (ssl_) SSL_shutdown(ssl_.get());
  ::shutdown(socket_, SHUT_WR);
}

void Stream::write_plain(std::string_view bytes) {
  [[maybe_unused]] const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

Stream::Result Stream::result_of(int outcome) {
  if (outcome == 1) return Result::kDone;
  switch (SSL_get_error(ssl_.get(), outcome)) {
    case SSL_ERROR_WANT_READ:
      return Result::kWantRead;
    case SSL_ERROR_WANT_WRITE:
      return Result::kWantWrite;
    default:
      has_met_plain_http_ = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
      return Result::kClosed;
  }
}

}  // namespace gpuinfer::webhook
