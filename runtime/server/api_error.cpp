#include "runtime/server/api_error.hpp"

#include <utility>

namespace gpuinfer::server {
namespace {

/// A message may quote the request, which may be megabytes long.
std::string shortened(const std::string& message) {
  constexpr std::size_t kMaxBytes = 1000;
  return message.size() <= kMaxBytes ? message : message.substr(0, kMaxBytes) + " ...";
}

Json null_if_empty(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

}  // namespace

ApiError::ApiError(int status, std::string type, const std::string& message, std::string param, std::string code)
    : Error(shortened(message)),
      status_(status),
      type_(std::move(type)),
      param_(std::move(param)),
      code_(std::move(code)) {}

Json ApiError::body() const {
  return {{"error",
           {{"message", what()}, {"type", type_}, {"param", null_if_empty(param_)}, {"code", null_if_empty(code_)}}}};
}

ApiError invalid_request(const std::string& message, std::string param, std::string code) {
  return ApiError(400, "invalid_request_error", message, std::move(param), std::move(code));
}

ApiError model_not_found(const std::string& model, const std::string& served) {
  return ApiError(404, "invalid_request_error",
                  "The model '" + model + "' does not exist; this server has '" + served + "'.", "model",
                  "model_not_found");
}

ApiError overloaded(const std::string& message) { return ApiError(429, "rate_limit_error", message, "", "queue_full"); }

ApiError unavailable(const std::string& message) { return ApiError(503, "service_unavailable_error", message); }

ApiError deadline_exceeded() {
  return ApiError(504, "timeout_error", "The request did not end within its time.", "", "deadline_exceeded");
}

ApiError server_error(const std::string& message) { return ApiError(500, "server_error", message); }

std::string to_text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace gpuinfer::server
