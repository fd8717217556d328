// An HTTP proxy on the loopback interface that connects one client to one server (CONNECT, RFC 9110 section 9.3.6).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <thread>

namespace gpuinfer::kube {

/// Answers the first request with `status` ("200 OK") and, where that is a success, passes bytes on to
/// 127.0.0.1:`port`.
class LoopbackProxy {
 public:
  LoopbackProxy(std::string status, int port);
  LoopbackProxy(const LoopbackProxy&) = delete;
  LoopbackProxy& operator=(const LoopbackProxy&) = delete;
  /// Waits until the client has gone.
  ~LoopbackProxy();

  std::string url(const std::string& user_info) const;
  /// The head of the request, once the exchange is over.
  const std::string& request() const { return request_; }

 private:
  void serve(const std::string& status, int port);

  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::string request_;
  std::thread thread_;
};

}  // namespace gpuinfer::kube
