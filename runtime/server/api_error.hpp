// The errors of the HTTP API, in OpenAI's shape.
#pragma once

#include <string>

#include "base/error.hpp"
#include "base/json.hpp"

namespace gpuinfer::server {

/// Becomes an HTTP status and the body {"error": {"message", "type", "param", "code"}}.
class ApiError : public Error {
 public:
  ApiError(int status, std::string type, const std::string& message, std::string param = "", std::string code = "");

  int status() const { return status_; }
  /// The body; `param` and `code` are null where there is none.
  Json body() const;

 private:
  int status_;
  std::string type_;
  std::string param_;
  std::string code_;
};

/// 400: the request is wrong at `param` ("messages[2].content"; "" for the whole body).
ApiError invalid_request(const std::string& message, std::string param = "", std::string code = "");

/// 404, code "model_not_found".
ApiError model_not_found(const std::string& model, const std::string& served);

/// 429: too many requests are waiting.
ApiError overloaded(const std::string& message);

/// 503: the model is loading, or the server is shutting down.
ApiError unavailable(const std::string& message);

/// 504: the request did not end within its time.
ApiError deadline_exceeded();

/// 500: our fault, or that of the machine.
ApiError server_error(const std::string& message);

/// JSON text that is always valid UTF-8: bytes of a request that are not, quoted in an error message, become U+FFFD.
std::string to_text(const Json& json);

}  // namespace gpuinfer::server
