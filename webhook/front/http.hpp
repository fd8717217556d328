// Requests and responses as handlers see them.
#pragma once

#include <functional>
#include <string>

namespace gpuinfer::webhook {

/// A whole request; its size has been checked.
struct Request {
  std::string method;  ///< "POST"
  std::string path;    ///< the target without its query
  std::string content_type;
  std::string body;
};

struct Response {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::string allow{};  ///< the methods that a 405 names
};

/// The body {"error": `message`} on one line that is not too long.
Response error_response(int status, const std::string& message);

/// Called by several threads at once.
using Handler = std::function<Response(const Request&)>;

/// How a response goes on.
enum class Persistence { kKeepAlive, kClose };

/// `response` as HTTP/1.1 sends it; a HEAD request gets the header alone.
std::string wire_format(const Response& response, Persistence persistence, bool is_head = false);

}  // namespace gpuinfer::webhook
