#include "webhook/front/http.hpp"

#include <string_view>

#include "base/json.hpp"
#include "webhook/one_line.hpp"

namespace gpuinfer::webhook {

namespace {

constexpr std::size_t kMaxMessageBytes = 500;

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

}  // namespace

Response error_response(int status, const std::string& message) {
  const Json body = {{"error", one_line(message, kMaxMessageBytes)}};
  return {status, body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

std::string wire_format(const Response& response, Persistence persistence, bool is_head) {
  std::string text;
  text.reserve(256 + response.body.size());
  text += "HTTP/1.1 ";
  text += std::to_string(response.status);
  text += ' ';
  text += reason_phrase(response.status);
  text += "\r\nContent-Type: ";
  text += response.content_type;
  text += "\r\nContent-Length: ";
  text += std::to_string(response.body.size());
  if (!response.allow.empty()) text += "\r\nAllow: " + response.allow;
  if (persistence == Persistence::kClose) text += "\r\nConnection: close";
  text += "\r\n\r\n";
  if (!is_head) text += response.body;
  return text;
}

}  // namespace gpuinfer::webhook
