// RFC 3339 in UTC to seconds.
#include "plugin/rfc3339.hpp"

#include <time.h>

namespace gpuinfer::plugin {

std::optional<std::int64_t> parse_rfc3339(const std::string& text) {
  tm fields{};
  const char* end = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &fields);
  if (end == nullptr || (*end != 'Z' && *end != '.')) return std::nullopt;
  return timegm(&fields);
}

std::int64_t now_unix_seconds() { return time(nullptr); }

}  // namespace gpuinfer::plugin
