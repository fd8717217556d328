#include "policies/quantity.hpp"

#include <charconv>
#include <limits>
#include <optional>

#include "base/error.hpp"
#include "policies/annotations.hpp"

namespace gpuinfer::policies {

namespace {

__extension__ using uint128 = unsigned __int128;

constexpr std::string_view kBinarySuffixes = "KMGTPE";  // each followed by "i"
constexpr std::uint64_t kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
/// 19 digits keep mantissa × 2^60 below 10^38, the range in which every product and quotient here is exact.
constexpr int kMaxDigits = 19;
constexpr int kMaxPower = 38;

[[noreturn]] void fail(std::string_view text, const char* reason) {
  throw Error(in_quotes(text) + " is not a quantity: " + reason,
              "write a number with an optional suffix, such as 2, 500m, 2Gi or 1e9");
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

uint128 power_of_ten(int exponent) {
  uint128 result = 1;
  for (int i = 0; i < exponent; ++i) result *= 10;
  return result;
}

/// What a suffix multiplies with: 2^binary × 10^decimal.
struct Scale {
  int binary = 0;
  int decimal = 0;
};

std::optional<Scale> scale_of(std::string_view suffix) {
  if (suffix.empty()) return Scale{};
  if (suffix.size() == 2 && suffix[1] == 'i') {
    const std::size_t index = kBinarySuffixes.find(suffix[0]);
    if (index == std::string_view::npos) return std::nullopt;
    return Scale{.binary = 10 * static_cast<int>(index + 1)};
  }
  if (suffix.size() == 1) {
    constexpr std::string_view kDecimalSuffixes = "num kMGTPE";  // 10^-9, 10^-6, 10^-3, 1, 10^3 …
    const std::size_t index = kDecimalSuffixes.find(suffix[0]);
    if (index == std::string_view::npos || suffix[0] == ' ') return std::nullopt;
    return Scale{.decimal = 3 * (static_cast<int>(index) - 3)};
  }
  if (suffix[0] != 'e' && suffix[0] != 'E') return std::nullopt;
  suffix.remove_prefix(1);
  if (suffix[0] == '+') {
    suffix.remove_prefix(1);
    if (suffix.starts_with('-')) return std::nullopt;
  }
  int exponent = 0;
  const auto [end, error] = std::from_chars(suffix.data(), suffix.data() + suffix.size(), exponent);
  if (error != std::errc{} || end != suffix.data() + suffix.size()) return std::nullopt;
  return Scale{.decimal = exponent};
}

}  // namespace

std::int64_t parse_quantity(std::string_view text) {
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);

  uint128 mantissa = 0;
  int digits = 0;
  int significant = 0;
  int fraction_digits = 0;
  bool in_fraction = false;
  for (; !rest.empty() && (is_digit(rest[0]) || (rest[0] == '.' && !in_fraction)); rest.remove_prefix(1)) {
    if (rest[0] == '.') {
      in_fraction = true;
      continue;
    }
    ++digits;
    if (mantissa != 0 || rest[0] != '0') ++significant;
    if (significant > kMaxDigits) fail(text, "it has more than 19 digits");
    mantissa = mantissa * 10 + static_cast<unsigned>(rest[0] - '0');
    if (in_fraction) ++fraction_digits;
  }
  if (digits == 0) fail(text, "it does not start with a number");
  const std::optional<Scale> scale = scale_of(rest);
  if (!scale) fail(text, "its suffix is unknown");
  if (mantissa == 0) return 0;

  const std::int64_t power = static_cast<std::int64_t>(scale->decimal) - fraction_digits;
  uint128 value = mantissa << scale->binary;
  if (power > kMaxDigits) fail(text, "it does not fit 64 bits");
  if (power >= 0) {
    value *= power_of_ten(static_cast<int>(power));
  } else if (power < -kMaxPower) {
    value = 1;  // something above zero, rounded up
  } else {
    const uint128 divisor = power_of_ten(static_cast<int>(-power));
    value = value / divisor + (value % divisor != 0 ? 1 : 0);
  }
  if (value > kLargest) fail(text, "it does not fit 64 bits");
  const auto units = static_cast<std::int64_t>(value);
  return negative ? -units : units;
}

std::int64_t quantity_of(const Json& value) {
  return value.is_string() ? parse_quantity(value.get_ref<const std::string&>()) : parse_quantity(value.dump());
}

std::string format_bytes(std::int64_t bytes) {
  std::string suffix;
  for (const char letter : kBinarySuffixes) {
    if (bytes == 0 || bytes % 1024 != 0) break;
    bytes /= 1024;
    suffix = std::string(1, letter) + "i";
  }
  return std::to_string(bytes) + suffix;
}

}  // namespace gpuinfer::policies
