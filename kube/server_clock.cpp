#include "kube/server_clock.hpp"

#include <strings.h>

#include <algorithm>
#include <ctime>
#include <optional>

namespace gpuinfer::kube {

namespace {

using std::chrono::floor;
using std::chrono::seconds;
using std::chrono::sys_seconds;
using std::chrono::system_clock;

/// The header Date: "Tue, 24 Nov 2026 22:14:43 GMT" (RFC 9110, section 5.6.7).
std::optional<sys_seconds> date_of(const HttpResponse& response) {
  const auto is_date = [](const auto& header) { return strcasecmp(header.first.c_str(), "Date") == 0; };
  const auto date = std::ranges::find_if(response.headers, is_date);
  if (date == response.headers.end()) return std::nullopt;
  std::tm parts{};
  if (strptime(date->second.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts) == nullptr) return std::nullopt;
  return sys_seconds(seconds(timegm(&parts)));
}

}  // namespace

HttpResponse ServerClock::send(const HttpRequest& request, const BodyReceiver& receive, std::stop_token stop) {
  HttpResponse response = transport_->send(request, receive, std::move(stop));
  // The head of a streamed answer may be minutes old by now.
  const std::optional<sys_seconds> date = receive ? std::nullopt : date_of(response);
  if (date) ahead_ = *date - floor<seconds>(system_clock::now());
  return response;
}

sys_seconds ServerClock::now() const { return floor<seconds>(system_clock::now()) + ahead_.load(); }

}  // namespace gpuinfer::kube
