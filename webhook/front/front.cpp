#include "webhook/front/front.hpp"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <csignal>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "webhook/front/connection.hpp"

namespace gpuinfer::webhook {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// Waiting connections that the kernel keeps for us: a burst of pods comes in many connections at once.
constexpr int kBacklog = 4096;
constexpr std::chrono::milliseconds kSweepInterval{100};
/// Until accept() is tried again when there is no room, or no file descriptor left.
constexpr std::chrono::milliseconds kAcceptPause{10};
/// Evicted connections that may still be ending while others come in; above it, accepting waits for them.
constexpr std::size_t kMaxEnding = 64;
/// At the end, a connection that has been idle for so long has no request on its way.
constexpr std::chrono::milliseconds kQuiet{500};

}  // namespace

const char* name(Ending ending) {
  switch (ending) {
    case Ending::kClosed:
      return "closed";
    case Ending::kIdle:
      return "idle";
    case Ending::kTimeout:
      return "timeout";
    case Ending::kEvicted:
      return "evicted";
    case Ending::kHandshake:
      break;
  }
  return "handshake";
}

/// The acceptor and its timer run on one strand, connections on all threads.
class Front::Listener {
 public:
  Listener(const FrontOptions& options, SSL_CTX* tls, Handler handler, FrontEvents events)
      : context_{options.limits, tls, std::move(handler), std::move(events)},
        acceptor_(asio::make_strand(io_)),
        timer_(acceptor_.get_executor()) {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes with write(2), and clients leave when they like
    listen(options.port);
    asio::post(acceptor_.get_executor(), [this] {
      accept();
      sweep();
    });
    for (int i = 0; i < options.threads; ++i) threads_.emplace_back([this] { io_.run(); });
  }

  ~Listener() {
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
  }

  int port() const { return port_; }
  std::size_t connections() const { return context_.connections.size(); }

  void drain(std::chrono::milliseconds notice, std::chrono::milliseconds patience) {
    context_.is_draining = true;
    std::this_thread::sleep_for(notice);
    std::promise<void> closed;
    asio::post(acceptor_.get_executor(), [&] {
      stop_accepting();
      closed.set_value();
    });
    closed.get_future().wait();
    context_.connections.wait_until_empty(patience);
  }

 private:
  void listen(int port) {
    error_code error;
    for (const tcp& protocol : {tcp::v6(), tcp::v4()}) {  // the second where the machine has no IPv6
      acceptor_.close(error);
      acceptor_.open(protocol, error);
      if (error) continue;
      if (protocol == tcp::v6()) acceptor_.set_option(asio::ip::v6_only(false), error);
      acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
      acceptor_.bind({protocol, static_cast<std::uint16_t>(port)}, error);
      if (!error) acceptor_.listen(kBacklog, error);
      if (!error) break;
    }
    if (error) {
      throw Error("cannot listen on port " + std::to_string(port) + ": " + error.message(),
                  "is another process using it?");
    }
    port_ = acceptor_.local_endpoint().port();
  }

  void accept() {
    acceptor_.async_accept(io_, [this](error_code error, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (error) {
        evict_one();
        accept_later();
        return;
      }
      start(std::move(socket));
      const bool has_room = context_.connections.size() < context_.limits.max_connections + kMaxEnding;
      has_room ? accept() : accept_later();
    });
  }

  void accept_later() {
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](error_code) {
      if (acceptor_.is_open()) accept();
    });
  }

  void start(tcp::socket socket) {
    error_code error;
    socket.non_blocking(true, error);
    socket.set_option(tcp::no_delay(true), error);
    if (error) return;  // its client has gone already
    if (context_.connections.size() >= context_.limits.max_connections) evict_one();
    std::make_shared<Connection>(std::move(socket), context_)->start();
  }

  void evict_one() {
    if (const auto connection = context_.connections.longest_waiting()) connection->interrupt(Ending::kEvicted);
  }

  /// Also takes those that the kernel has accepted for us.
  void stop_accepting() {
    error_code error;
    acceptor_.cancel(error);
    acceptor_.non_blocking(true, error);
    while (!error) {
      tcp::socket socket(io_);
      acceptor_.accept(socket, error);
      if (!error) start(std::move(socket));
    }
    acceptor_.close(error);
  }

  void sweep() {
    timer_.expires_after(kSweepInterval);
    timer_.async_wait([this](error_code error) {
      if (error) return;
      const auto now = Connection::Clock::now();
      for (const std::shared_ptr<Connection>& connection : context_.connections.all()) {
        connection->enforce_deadline(now);
        const auto since = connection->waiting_since();
        if (!acceptor_.is_open() && connection->is_idle() && since && *since + kQuiet < now) {
          connection->interrupt(Ending::kClosed);
        }
      }
      sweep();
    });
  }

  FrontContext context_;  // outlives the connections, which io_ holds
  asio::io_context io_;
  tcp::acceptor acceptor_;
  asio::steady_timer timer_;
  asio::steady_timer pause_{acceptor_.get_executor()};
  int port_ = 0;
  std::vector<std::thread> threads_;
};

Front::Front(const FrontOptions& options, SSL_CTX* tls, Handler handler, FrontEvents events)
    : listener_(std::make_unique<Listener>(options, tls, std::move(handler), std::move(events))) {}

Front::~Front() = default;

int Front::port() const { return listener_->port(); }

std::size_t Front::connections() const { return listener_->connections(); }

void Front::drain(std::chrono::milliseconds notice, std::chrono::milliseconds patience) {
  listener_->drain(notice, patience);
}

}  // namespace gpuinfer::webhook
