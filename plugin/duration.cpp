// Parses durations.
#include "plugin/duration.hpp"

#include <cctype>

#include "base/error.hpp"

namespace gpuinfer::plugin {

std::chrono::seconds parse_duration(const std::string& text) {
  constexpr long long kYear = 366LL * 24 * 3600;
  const Error invalid("'" + text + "' is not a duration", "write it as 90s, 5m or 1h30m");
  long long total = 0;
  for (std::size_t i = 0; i < text.size() || i == 0;) {
    const std::size_t start = i;
    long long number = 0;
    for (; i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])) != 0 && number <= kYear; ++i)
      number = number * 10 + (text[i] - '0');
    if (i == start) throw invalid;
    const char unit = i < text.size() ? text[i++] : 's';
    if (unit != 's' && unit != 'm' && unit != 'h') throw invalid;
    total += number * (unit == 'h' ? 3600 : unit == 'm' ? 60 : 1);
    if (total > kYear) throw invalid;
  }
  return std::chrono::seconds(total);
}

}  // namespace gpuinfer::plugin
