// Tables, colours, sizes, YAML and JSON.
#include "plugin/output.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "base/yaml.hpp"

namespace gpuinfer::plugin {

namespace {

std::size_t display_width(std::string_view text) {
  // Bytes 10xxxxxx continue a code point.
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

const char* escape_code(Colour colour) {
  switch (colour) {
    case Colour::kNone:
      return "";
    case Colour::kBold:
      return "\033[1m";
    case Colour::kDim:
      return "\033[2m";
    case Colour::kRed:
      return "\033[31m";
    case Colour::kGreen:
      return "\033[32m";
    case Colour::kYellow:
      return "\033[33m";
    case Colour::kCyan:
      return "\033[36m";
  }
  return "";
}

/// `value` with `digits` after the point.
std::string fixed(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

/// `amount` in the largest unit that leaves at least 1, with one digit after the point below 100.
std::string scaled(double amount, double step, const std::vector<const char*>& units) {
  std::size_t unit = 0;
  while (amount >= step && unit + 1 < units.size()) {
    amount /= step;
    ++unit;
  }
  return fixed(amount, unit == 0 || amount >= 100 ? 0 : 1) + units[unit];
}

}  // namespace

bool is_terminal(int fd) { return isatty(fd) == 1; }

bool wants_colour(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return is_terminal(fd) && (no_color == nullptr || *no_color == '\0') &&
         (term == nullptr || std::string_view(term) != "dumb");
}

std::string paint(std::string_view text, Colour colour, bool enabled) {
  if (!enabled || colour == Colour::kNone) return std::string(text);
  return escape_code(colour) + std::string(text) + "\033[0m";
}

void Table::add_row(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }

void Table::print(std::ostream& out, bool coloured) const {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < headings_.size(); ++column) {
    std::size_t width = display_width(headings_[column]);
    for (const auto& row : rows_) width = std::max(width, display_width(row[column].text));
    widths.push_back(width);
  }
  const auto print_cell = [&](std::size_t column, const Cell& cell) {
    out << paint(cell.text, cell.colour, coloured);
    if (column + 1 < headings_.size()) out << std::string(widths[column] - display_width(cell.text) + 3, ' ');
  };
  for (std::size_t column = 0; column < headings_.size(); ++column)
    print_cell(column, {headings_[column], Colour::kBold});
  out << '\n';
  for (const auto& row : rows_) {
    for (std::size_t column = 0; column < headings_.size(); ++column) print_cell(column, row[column]);
    out << '\n';
  }
}

std::string format_bytes(std::uint64_t bytes) {
  return scaled(static_cast<double>(bytes), 1000, {" B", " kB", " MB", " GB", " TB"});
}

std::string format_memory(std::uint64_t bytes) {
  return scaled(static_cast<double>(bytes), 1024, {" B", " KiB", " MiB", " GiB", " TiB"});
}

std::string format_parameters(std::uint64_t parameters) {
  return scaled(static_cast<double>(parameters), 1000, {"", "K", "M", "B"});
}

std::string format_age(std::int64_t seconds) {
  constexpr std::int64_t kMinute = 60;
  constexpr std::int64_t kHour = 60 * kMinute;
  constexpr std::int64_t kDay = 24 * kHour;
  if (seconds < 2 * kMinute) return std::to_string(std::max<std::int64_t>(seconds, 0)) + "s";
  if (seconds < 2 * kHour) return std::to_string(seconds / kMinute) + "m";
  if (seconds < 2 * kDay) return std::to_string(seconds / kHour) + "h";
  return std::to_string(seconds / kDay) + "d";
}

void print_value(std::ostream& out, const Json& value, std::string_view format) {
  if (format == "json") {
    out << value.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  } else {
    out << emit_yaml(value);
  }
}

void print_objects(std::ostream& out, const std::vector<Json>& objects, std::string_view format) {
  if (format == "json" && objects.size() != 1) {
    print_value(out, {{"apiVersion", "v1"}, {"kind", "List"}, {"items", objects}}, format);
    return;
  }
  for (std::size_t i = 0; i < objects.size(); ++i) {
    if (i > 0) out << "---\n";
    print_value(out, objects[i], format);
  }
}

void print_error(const Error& error) {
  std::cerr << paint("error:", Colour::kRed, wants_colour(STDERR_FILENO)) << ' ' << error.what() << '\n';
  if (!error.remedy().empty()) std::cerr << "  " << error.remedy() << '\n';
}

}  // namespace gpuinfer::plugin
