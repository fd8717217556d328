#include "webhook/review_handler.hpp"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <string_view>

#include "base/log.hpp"
#include "webhook/admission_review.hpp"
#include "webhook/review_json.hpp"

namespace gpuinfer::webhook {

namespace {

using Clock = std::chrono::steady_clock;

/// The media type application/json, with whatever parameters.
bool is_json(std::string_view content_type) {
  constexpr std::string_view kJson = "application/json";
  const std::string_view type = content_type.substr(0, content_type.find_first_of("; \t"));
  return std::equal(type.begin(), type.end(), kJson.begin(), kJson.end(),
                    [](unsigned char a, unsigned char b) { return std::tolower(a) == b; });
}

/// Reviews that changed nothing are the great majority where the webhook sees every pod, and are logged on request.
void log_review(const AdmissionResult& result, std::chrono::duration<double, std::milli> duration) {
  const policies::Injection& injection = result.injection;
  const LogLevel level = injection.outcome == policies::Outcome::kUntouched ? LogLevel::kDebug : LogLevel::kInfo;
  if (!is_logged(level)) return;
  Json actions = Json::array();
  for (const policies::Action& action : injection.actions) actions.push_back(action.policy + ": " + action.reason);
  log(level, "review",
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

Response ReviewHandler::operator()(const Request& request) const {
  if (request.path != "/mutate") return refuse(404, "path", "reviews go to /mutate");
  if (request.method != "POST") {
    Response response = refuse(405, "method", "reviews are sent with POST");
    response.allow = "POST";
    return response;
  }
  if (!is_json(request.content_type)) {
    return refuse(415, "content_type", "the Content-Type must be application/json");
  }
  const Clock::time_point start = Clock::now();
  try {
    const AdmissionResult result = review(parse_body(request.body), *policies_.get());
    Response response = {200, result.response.dump()};
    const Clock::duration duration = Clock::now() - start;
    metrics_.count_review(result, duration);
    log_review(result, duration);
    return response;
  } catch (const BadReview& error) {
    return refuse(400, "malformed", error.what());
  }
}

Response ReviewHandler::refuse(int status, const std::string& reason, const std::string& message) const {
  report_bad_request(metrics_, status, reason, message);
  return error_response(status, message);
}

void report_bad_request(Metrics& metrics, int status, const std::string& reason, const std::string& message) {
  metrics.count_bad_request(reason);
  log(LogLevel::kWarning, "refused a request that is no review",
      {{"status", status}, {"reason", reason}, {"error", message}});
}

}  // namespace gpuinfer::webhook
