#include "kube/loopback_proxy.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace gpuinfer::kube {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

const asio::ip::address kLoopback = asio::ip::address_v4::loopback();

/// Passes bytes on until `from` ends.
void pump(tcp::socket& from, tcp::socket& to) {
  std::array<char, 4096> bytes;
  boost::system::error_code error;
  while (const std::size_t size = from.read_some(asio::buffer(bytes), error)) {
    asio::write(to, asio::buffer(bytes, size), error);
  }
  to.shutdown(tcp::socket::shutdown_send, error);
}

}  // namespace

LoopbackProxy::LoopbackProxy(std::string status, int port)
    : acceptor_(context_, {kLoopback, 0}), thread_([this, status = std::move(status), port] { serve(status, port); }) {}

LoopbackProxy::~LoopbackProxy() { thread_.join(); }

std::string LoopbackProxy::url(const std::string& user_info) const {
  return "http://" + user_info + "@127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
}

void LoopbackProxy::serve(const std::string& status, int port) {
  tcp::socket client = acceptor_.accept();
  boost::system::error_code error;
  asio::read_until(client, asio::dynamic_buffer(request_), "\r\n\r\n", error);
  asio::write(client, asio::buffer("HTTP/1.1 " + status + "\r\n\r\n"), error);
  if (!status.starts_with("2")) return;
  tcp::socket server(context_);
  server.connect({kLoopback, static_cast<unsigned short>(port)}, error);
  std::thread answers([&] { pump(server, client); });
  pump(client, server);
  answers.join();
}

}  // namespace gpuinfer::kube
