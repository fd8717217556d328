// One connection of a front: handshake, requests, answers, end.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "webhook/front/connection_table.hpp"
#include "webhook/front/front.hpp"
#include "webhook/front/stream.hpp"

namespace gpuinfer::webhook {

/// What the connections of a front share. Outlives them.
struct FrontContext {
  FrontLimits limits;
  SSL_CTX* tls = nullptr;
  Handler handler;
  FrontEvents events;
  std::atomic<bool> is_draining = false;
  std::atomic<std::size_t> held_bytes = 0;
  ConnectionTable connections{};
};

/// A state machine that runs whenever its socket is ready. At most one wait is under way, so it is never run by two
/// threads at once and needs no lock. Other threads only read its atomics and shut its socket down, which wakes it.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;

  Connection(boost::asio::ip::tcp::socket socket, FrontContext& context);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start();

  /// Since when its client has owed us something; nothing while we owe an answer, or once it has been interrupted. For
  /// any thread.
  std::optional<Clock::time_point> waiting_since() const;
  /// True between two requests. For any thread.
  bool is_idle() const { return phase_ == Phase::kIdle; }
  /// Ends it where its time is over. For any thread.
  void enforce_deadline(Clock::time_point now);
  /// Ends it now, for the reason `ending`. For any thread.
  void interrupt(Ending ending);

 private:
  enum class Phase { kHandshake, kIdle, kHeader, kBody, kAnswering, kClosing };
  /// What to do when advance() returns.
  enum class Next { kWaitRead, kWaitWrite, kYield, kEnd };

  void run();
  Next advance();

  Stream::Result handshake();
  Stream::Result read();
  Stream::Result follow_reader();
  Stream::Result answer();

  void enter(Phase phase);
  void account_for_held_bytes();
  void handle_request();
  void refuse(int status, const std::string& reason, const std::string& message);
  void send(const Response& response, bool is_head);

  FrontContext& context_;
  boost::asio::ip::tcp::socket socket_;
  const int descriptor_;
  Stream stream_;
  RequestReader reader_;

  std::string output_;
  std::string_view unsent_;
  bool closes_after_answer_ = false;
  std::size_t held_bytes_ = 0;
  Ending ending_ = Ending::kClosed;

  std::atomic<Phase> phase_ = Phase::kHandshake;
  std::atomic<Clock::time_point> waiting_since_;
  std::atomic<Clock::time_point> deadline_;
  std::atomic<std::optional<Ending>> interruption_;
};

}  // namespace gpuinfer::webhook
