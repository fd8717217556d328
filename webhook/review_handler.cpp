#include "webhook/review_handler.hpp"

#include <chrono>
#include <optional>

#include "base/log.hpp"
#include "webhook/admission_review.hpp"
#include "webhook/one_line.hpp"

namespace gpuinfer::webhook {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBadRequest = 400;
constexpr int kPayloadTooLarge = 413;
constexpr int kUnsupportedMediaType = 415;

bool is_json(const httplib::Request& request) {
  const std::string type = request.get_header_value("Content-Type");
  return type == "application/json" || type.starts_with("application/json;");
}

/// Counted while it arrives, because neither a chunked nor a compressed body has a length that could be believed.
std::optional<std::string> read_body(const httplib::ContentReader& read_content) {
  std::string body;
  const bool is_complete = read_content([&](const char* data, std::size_t length) {
    if (body.size() + length > kMaxBodyBytes) return false;
    body.append(data, length);
    return true;
  });
  return is_complete ? std::optional(std::move(body)) : std::nullopt;
}

void log_review(const AdmissionResult& result, std::chrono::duration<double, std::milli> duration) {
  const policies::Injection& injection = result.injection;
  const bool is_routine = injection.outcome == policies::Outcome::kUntouched;
  Json actions = Json::array();
  for (const policies::Action& action : injection.actions) actions.push_back(action.policy + ": " + action.reason);
  log(is_routine ? LogLevel::kDebug : LogLevel::kInfo, "review",
      {{"uid", result.uid},
       {"kind", result.kind},
       {"operation", result.operation},
       {"namespace", result.object_namespace},
       {"name", result.object_name},
       {"outcome", name(injection.outcome)},
       {"actions", actions},
       {"warnings", injection.warnings},
       {"denial", injection.denial},
       {"patch_bytes", result.patch_bytes},
       {"duration_ms", duration.count()}});
}

}  // namespace

void ReviewHandler::operator()(const httplib::Request& request, httplib::Response& response,
                               const httplib::ContentReader& read_content) const {
  const std::optional<std::string> body = read_body(read_content);
  if (!is_json(request)) {
    refuse(response, kUnsupportedMediaType, "content_type", "the Content-Type must be application/json");
    return;
  }
  if (!body) {
    refuse(response, kPayloadTooLarge, "too_large", "the body is incomplete or larger than 4 MiB");
    return;
  }
  const Clock::time_point start = Clock::now();
  try {
    const AdmissionResult result = review(parse_body(*body), *policies_.get());
    response.set_content(result.response.dump(), "application/json");
    const Clock::duration duration = Clock::now() - start;
    metrics_.count_review(result, duration);
    log_review(result, duration);
  } catch (const BadReview& error) {
    refuse(response, kBadRequest, "malformed", error.what());
  }
}

void ReviewHandler::refuse(httplib::Response& response, int status, const std::string& reason,
                           const std::string& message) const {
  constexpr std::size_t kMaxMessageBytes = 500;
  response.status = status;
  response.set_content(Json({{"error", one_line(message, kMaxMessageBytes)}}).dump(), "application/json");
  metrics_.count_bad_request(reason);
  log(LogLevel::kWarning, "refused a request that is no review", {{"status", status}, {"reason", message}});
}

}  // namespace gpuinfer::webhook
