// One client's TCP connection, as httplib reads and writes it.
#pragma once

#include <httplib.h>

#include <array>
#include <chrono>
#include <string>

namespace gpuinfer::server {

/// httplib's own stream does not let a handler see whether its client is still there; this one does.
class HttpConnection : public httplib::Stream {
 public:
  /// Owns `socket` from now on. A read or a write that makes no progress for `timeout` fails.
  HttpConnection(socket_t socket, std::chrono::milliseconds timeout);
  ~HttpConnection() override;
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  /// Whether the client has closed its end, or the network has. Costs one system call and never waits.
  bool is_gone() const;
  /// Waits for the first bytes of a request.
  bool wait_readable(std::chrono::milliseconds timeout) const;

  /// The rest of the request will not be read, so the connection cannot carry another one.
  void close_after_response() { close_after_response_ = true; }
  bool closes_after_response() const { return close_after_response_; }
  /// Lets a client that still sends read our response: ending the connection at once would reset it.
  void linger();

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* bytes, std::size_t size) override;
  ssize_t write(const char* bytes, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_; }

 private:
  bool wait_for(short events, std::chrono::milliseconds timeout) const;

  socket_t socket_;
  std::chrono::milliseconds timeout_;
  bool close_after_response_ = false;
  // httplib reads a request's head byte by byte.
  std::array<char, 16384> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace gpuinfer::server
