#include "tests/webhook/raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>

namespace gpuinfer::webhook {

RawClient::RawClient(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval patience{30, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  is_connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

RawClient::~RawClient() { ::close(socket_); }

bool RawClient::start_tls(SSL_SESSION* session) {
  context_.reset(SSL_CTX_new(TLS_client_method()));
  ssl_.reset(SSL_new(context_.get()));
  SSL_set_fd(ssl_.get(), socket_);
  if (session) SSL_set_session(ssl_.get(), session);
  return SSL_connect(ssl_.get()) == 1;
}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ssl_ ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                               : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

std::string RawClient::receive_until(std::string_view text) {
  std::string received;
  char byte = 0;
  while (text.empty() || !received.ends_with(text)) {
    const ssize_t count = ssl_ ? SSL_read(ssl_.get(), &byte, 1) : ::recv(socket_, &byte, 1, 0);
    if (count <= 0) break;
    received += byte;
  }
  return received;
}

std::string RawClient::receive_all() { return receive_until(""); }

std::string post_request(std::string_view path, std::string_view body, std::string_view more_headers) {
  std::string request =
      "POST " + std::string(path) + " HTTP/1.1\r\nHost: webhook\r\nContent-Type: application/json\r\n";
  request += more_headers;
  request += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  return request.append(body);
}

}  // namespace gpuinfer::webhook
