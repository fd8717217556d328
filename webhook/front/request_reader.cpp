#include "webhook/front/request_reader.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <utility>

namespace gpuinfer::webhook {

namespace {

namespace http = boost::beast::http;

std::string text(boost::beast::string_view view) { return {view.data(), view.size()}; }

}  // namespace

struct RequestReader::Parser {
  explicit Parser(const RequestLimits& limits) {
    parser.header_limit(static_cast<std::uint32_t>(limits.header_bytes));
    parser.body_limit(limits.body_bytes);
    parser.eager(true);
  }

  http::request_parser<http::string_body> parser;
  bool has_looked_for_expect = false;
};

RequestReader::RequestReader(const RequestLimits& limits) : limits_(limits) {}
RequestReader::~RequestReader() = default;

void RequestReader::push(std::string_view bytes) {
  if (state_ == State::kRefused) return;
  if (state_ == State::kComplete) {
    rest_ += bytes;
  } else if (rest_.empty()) {
    rest_ = bytes.substr(parse(bytes));
  } else {
    rest_ += bytes;
    rest_.erase(0, parse(rest_));
  }
}

std::size_t RequestReader::parse(std::string_view bytes) {
  if (!parser_ && !bytes.empty()) parser_ = std::make_unique<Parser>(limits_);
  std::size_t used = 0;
  while (used < bytes.size()) {
    auto& parser = parser_->parser;
    boost::beast::error_code error;
    used += parser.put(boost::asio::buffer(bytes.data() + used, bytes.size() - used), error);
    if (parser.is_done()) {
      state_ = State::kComplete;
      return used;
    }
    state_ = parser.is_header_done() ? State::kBody : State::kHeader;
    if (error == http::error::need_more) return used;
    if (error == http::error::body_limit) {
      refuse(413, "too_large", "the body is larger than " + std::to_string(limits_.body_bytes) + " bytes");
    } else if (error == http::error::header_limit) {
      refuse(431, "header_too_large", "the header is larger than " + std::to_string(limits_.header_bytes) + " bytes");
    } else if (error) {
      refuse(400, "malformed_http", "the request is not HTTP/1.1: " + error.message());
    }
    if (error) return bytes.size();
  }
  return used;
}

void RequestReader::refuse(int status, std::string reason, std::string message) {
  state_ = State::kRefused;
  refusal_ = {status, std::move(reason), std::move(message)};
  parser_.reset();
}

std::size_t RequestReader::held_bytes() const {
  return rest_.size() + (parser_ ? parser_->parser.get().body().size() : 0);
}

bool RequestReader::must_send_continue() {
  if (state_ != State::kBody || parser_->has_looked_for_expect) return false;
  parser_->has_looked_for_expect = true;
  const auto& request = parser_->parser.get();
  return request.body().empty() && boost::beast::iequals(request[http::field::expect], "100-continue");
}

bool RequestReader::keeps_alive() const { return parser_ && parser_->parser.get().keep_alive(); }

void RequestReader::clear() {
  parser_.reset();
  rest_ = {};
  state_ = State::kIdle;
}

Request RequestReader::take() {
  auto message = parser_->parser.release();
  Request request;
  request.method = text(message.method_string());
  request.path = text(message.target().substr(0, message.target().find('?')));
  request.content_type = text(message[http::field::content_type]);
  request.body = std::move(message.body());
  parser_.reset();
  state_ = State::kIdle;
  if (rest_.empty()) {
    rest_ = {};  // an idle connection holds no buffer
  } else {
    rest_.erase(0, parse(rest_));
  }
  return request;
}

}  // namespace gpuinfer::webhook
