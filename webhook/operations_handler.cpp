#include "webhook/operations_handler.hpp"

namespace gpuinfer::webhook {

Response OperationsHandler::operator()(const Request& request) const {
  constexpr const char* kText = "text/plain; charset=utf-8";
  if (request.method != "GET" && request.method != "HEAD") {
    Response response = error_response(405, "this port is read with GET");
    response.allow = "GET, HEAD";
    return response;
  }
  if (request.path == "/healthz") return {200, "ok\n", kText};
  if (request.path == "/readyz") {
    const std::string reason = reason_not_ready();
    return reason.empty() ? Response{200, "ok\n", kText} : Response{503, reason + "\n", kText};
  }
  if (request.path == "/metrics") return {200, metrics(), "text/plain; version=0.0.4; charset=utf-8"};
  if (request.path == "/status") return {200, status().dump(2) + "\n"};
  return error_response(404, "there are /healthz, /readyz, /metrics and /status");
}

}  // namespace gpuinfer::webhook
