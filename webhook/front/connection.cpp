#include "webhook/front/connection.hpp"

#include <sys/socket.h>

#include <array>
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

namespace gpuinfer::webhook {

namespace {

constexpr std::size_t kReadBytes = 16 << 10;  ///< the largest record of TLS
/// A request of this size is taken even while larger ones use up FrontLimits::max_held_bytes.
constexpr std::size_t kSmallRequestBytes = 64 << 10;
/// How long we listen to a client that has got its last answer. Closing at once would make the kernel send a reset,
/// which may overtake the answer.
constexpr std::chrono::milliseconds kClosingLimit{1000};

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

Connection::Connection(boost::asio::ip::tcp::socket socket, FrontContext& context)
    : context_(context),
      socket_(std::move(socket)),
      descriptor_(socket_.native_handle()),
      stream_(descriptor_, context.tls),
      reader_(context.limits.request) {
  enter(Phase::kHandshake);
}

Connection::~Connection() {
  context_.held_bytes -= held_bytes_;
  context_.connections.remove(this);
}

void Connection::start() {
  context_.connections.add(shared_from_this());
  boost::asio::post(socket_.get_executor(), [self = shared_from_this()] { self->run(); });
}

void Connection::run() {
  using Socket = boost::asio::ip::tcp::socket;
  const auto resume = [self = shared_from_this()](const boost::system::error_code& error = {}) {
    if (!error) self->run();
  };
  switch (advance()) {
    case Next::kWaitRead:
      socket_.async_wait(Socket::wait_read, resume);
      break;
    case Next::kWaitWrite:
      socket_.async_wait(Socket::wait_write, resume);
      break;
    case Next::kYield:
      boost::asio::post(socket_.get_executor(), resume);
      break;
    case Next::kEnd:  // the last reference goes away
      context_.events.on_ended_connection(ending_);
  }
}

Connection::Next Connection::advance() {
  for (;;) {
    if (const std::optional<Ending> interruption = interruption_.exchange(std::nullopt)) {
      ending_ = *interruption;
      const bool may_answer = phase_ == Phase::kHeader || phase_ == Phase::kBody;
      if (ending_ != Ending::kTimeout || !may_answer) return Next::kEnd;
      refuse(408, "timeout", "the request did not arrive in time");
    }
    Stream::Result result = Stream::Result::kClosed;
    switch (phase_) {
      case Phase::kHandshake:
        result = handshake();
        break;
      case Phase::kIdle:
      case Phase::kHeader:
      case Phase::kBody:
        result = read();
        break;
      case Phase::kAnswering:
        result = answer();
        // The next request of this connection waits for its turn behind those of others.
        if (result == Stream::Result::kDone && phase_ == Phase::kIdle) {
          const bool has_input = reader_.state() != RequestReader::State::kIdle || stream_.has_buffered();
          return has_input ? Next::kYield : Next::kWaitRead;
        }
        break;
      case Phase::kClosing:
        result = stream_.discard();
        break;
    }
    if (result == Stream::Result::kClosed) return Next::kEnd;
    if (result == Stream::Result::kWantRead) return Next::kWaitRead;
    if (result == Stream::Result::kWantWrite) return Next::kWaitWrite;
  }
}

Stream::Result Connection::handshake() {
  const Stream::Result result = stream_.handshake();
  if (result == Stream::Result::kDone) enter(Phase::kIdle);
  if (result != Stream::Result::kClosed) return result;
  ending_ = Ending::kHandshake;
  if (!stream_.has_met_plain_http()) return result;
  const std::string message = "this port speaks HTTPS";
  context_.events.on_refused_request(400, "plain_http", message);
  stream_.write_plain(wire_format(error_response(400, message), Persistence::kClose));
  stream_.close_writes();
  enter(Phase::kClosing);
  return Stream::Result::kDone;
}

Stream::Result Connection::read() {
  const bool has_request =
      reader_.state() == RequestReader::State::kComplete || reader_.state() == RequestReader::State::kRefused;
  if (!has_request) {
    thread_local std::array<char, kReadBytes> buffer;
    std::size_t size = 0;
    const Stream::Result result = stream_.read(buffer, size);
    if (result != Stream::Result::kDone) return result;
    reader_.push({buffer.data(), size});
  }
  return follow_reader();
}

Stream::Result Connection::follow_reader() {
  account_for_held_bytes();
  if (context_.held_bytes > context_.limits.max_held_bytes && held_bytes_ > kSmallRequestBytes) {
    refuse(503, "busy", "too many large requests at one time");
    return Stream::Result::kDone;
  }
  switch (reader_.state()) {
    case RequestReader::State::kIdle:
      break;
    case RequestReader::State::kHeader:
      if (phase_ != Phase::kHeader) enter(Phase::kHeader);
      break;
    case RequestReader::State::kBody:
      if (phase_ != Phase::kBody) enter(Phase::kBody);
      if (reader_.must_send_continue()) {
        std::string_view bytes = kContinue;
        if (stream_.write(bytes) != Stream::Result::kDone) return Stream::Result::kClosed;
      }
      break;
    case RequestReader::State::kComplete:
      handle_request();
      break;
    case RequestReader::State::kRefused:
      refuse(reader_.refusal().status, reader_.refusal().reason, reader_.refusal().message);
  }
  return Stream::Result::kDone;
}

void Connection::account_for_held_bytes() {
  const std::size_t held = reader_.held_bytes();
  context_.held_bytes += held - held_bytes_;  // modulo 2^64 where it has become less
  held_bytes_ = held;
}

void Connection::handle_request() {
  enter(Phase::kAnswering);
  closes_after_answer_ = !reader_.keeps_alive() || context_.is_draining;
  const Request request = reader_.take();
  Response response;
  try {
    response = context_.handler(request);
  } catch (const std::exception& error) {
    response = error_response(500, error.what());
    context_.events.on_refused_request(500, "failed", error.what());
  }
  account_for_held_bytes();
  send(response, request.method == "HEAD");
}

void Connection::refuse(int status, const std::string& reason, const std::string& message) {
  context_.events.on_refused_request(status, reason, message);
  reader_.clear();
  account_for_held_bytes();
  closes_after_answer_ = true;
  send(error_response(status, message), false);
}

void Connection::send(const Response& response, bool is_head) {
  output_ = wire_format(response, closes_after_answer_ ? Persistence::kClose : Persistence::kKeepAlive, is_head);
  unsent_ = output_;
  enter(Phase::kAnswering);
}

Stream::Result Connection::answer() {
  const Stream::Result result = stream_.write(unsent_);
  if (result != Stream::Result::kDone) return result;
  output_ = {};  // an idle connection holds no buffer
  if (closes_after_answer_) {
    stream_.close_writes();
    enter(Phase::kClosing);
  } else {
    enter(Phase::kIdle);
  }
  return result;
}

void Connection::enter(Phase phase) {
  const Clock::time_point now = Clock::now();
  const auto limit = [&]() -> std::chrono::milliseconds {
    switch (phase) {
      case Phase::kHandshake:
        return context_.limits.handshake;
      case Phase::kIdle:
        return context_.limits.idle;
      case Phase::kHeader:
        return context_.limits.header;
      case Phase::kBody:
        return context_.limits.body;
      case Phase::kAnswering:
        return context_.limits.write;
      case Phase::kClosing:
        break;
    }
    return kClosingLimit;
  };
  waiting_since_ = now;
  deadline_ = now + limit();
  phase_ = phase;
}

std::optional<Connection::Clock::time_point> Connection::waiting_since() const {
  if (phase_ == Phase::kAnswering || interruption_.load()) return std::nullopt;
  return waiting_since_.load();
}

void Connection::enforce_deadline(Clock::time_point now) {
  if (now < deadline_.load()) return;
  switch (phase_) {
    case Phase::kHeader:
    case Phase::kBody:
      interruption_ = Ending::kTimeout;
      ::shutdown(descriptor_, SHUT_RD);  // the answer can still be written
      break;
    case Phase::kIdle:
      interrupt(Ending::kIdle);
      break;
    case Phase::kClosing:
      ::shutdown(descriptor_, SHUT_RDWR);  // it has ended already, for another reason
      break;
    case Phase::kHandshake:
    case Phase::kAnswering:
      interrupt(Ending::kTimeout);
  }
}

void Connection::interrupt(Ending ending) {
  interruption_ = ending;
  ::shutdown(descriptor_, SHUT_RDWR);
}

}  // namespace gpuinfer::webhook
