#include "runtime/server/http_connection.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace gpuinfer::server {
namespace {

void read_address(const sockaddr_storage& address, socklen_t size, std::string& ip, int& port) {
  std::array<char, NI_MAXHOST> host;
  std::array<char, NI_MAXSERV> service;
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, host.data(), host.size(), service.data(),
                  service.size(), NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
    ip = host.data();
    port = std::atoi(service.data());
  }
}

}  // namespace

HttpConnection::HttpConnection(socket_t socket, std::chrono::milliseconds timeout)
    : socket_(socket), timeout_(timeout) {
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // A token should not wait for the next one.
}

HttpConnection::~HttpConnection() {
  shutdown(socket_, SHUT_RDWR);
  close(socket_);
}

bool HttpConnection::is_gone() const {
  pollfd descriptor{.fd = socket_, .events = POLLRDHUP, .revents = 0};
  return poll(&descriptor, 1, 0) > 0;  // POLLERR and POLLHUP are reported unasked.
}

bool HttpConnection::wait_readable(std::chrono::milliseconds timeout) const {
  return begin_ < end_ || wait_for(POLLIN, timeout);
}

void HttpConnection::linger() {
  constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
  constexpr std::chrono::seconds kMaxSilence(2);
  shutdown(socket_, SHUT_WR);
  for (std::size_t discarded = 0; discarded < kMaxBytes && wait_for(POLLIN, kMaxSilence);) {
    const ssize_t received = recv(socket_, buffer_.data(), buffer_.size(), 0);
    if (received <= 0) return;
    discarded += static_cast<std::size_t>(received);
  }
}

bool HttpConnection::is_readable() const { return wait_readable(timeout_); }

bool HttpConnection::is_writable() const { return wait_for(POLLOUT, timeout_) && !is_gone(); }

ssize_t HttpConnection::read(char* bytes, std::size_t size) {
  if (begin_ == end_) {
    if (!is_readable()) return -1;
    const ssize_t received = recv(socket_, buffer_.data(), buffer_.size(), 0);
    if (received <= 0) return received;
    begin_ = 0;
    end_ = static_cast<std::size_t>(received);
  }
  const std::size_t count = std::min(size, end_ - begin_);
  std::memcpy(bytes, buffer_.data() + begin_, count);
  begin_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t HttpConnection::write(const char* bytes, std::size_t size) {
  if (!is_writable()) return -1;
  return send(socket_, bytes, size, MSG_NOSIGNAL);
}

void HttpConnection::get_remote_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getpeername(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0) read_address(address, size, ip, port);
}

void HttpConnection::get_local_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0) read_address(address, size, ip, port);
}

bool HttpConnection::wait_for(short events, std::chrono::milliseconds timeout) const {
  pollfd descriptor{.fd = socket_, .events = events, .revents = 0};
  int ready = 0;
  do {
    ready = poll(&descriptor, 1, static_cast<int>(timeout.count()));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

}  // namespace gpuinfer::server
