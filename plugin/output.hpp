// How the plugin shows things: aligned tables, colour where a person looks, and the same facts as YAML or JSON.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace gpuinfer::plugin {

/// Colours of the terminal.
enum class Colour { kNone, kBold, kDim, kRed, kGreen, kYellow, kCyan };

/// True where file descriptor `fd` is a terminal.
bool is_terminal(int fd);

/// True where `fd` is a terminal, TERM is not "dumb" and NO_COLOR (https://no-color.org) is unset or empty.
bool wants_colour(int fd);

/// `text` in `colour`, or as it is where `enabled` is false.
std::string paint(std::string_view text, Colour colour, bool enabled);

/// A cell of a table.
struct Cell {
  Cell(std::string cell_text, Colour cell_colour = Colour::kNone) : text(std::move(cell_text)), colour(cell_colour) {}
  Cell(const char* cell_text) : Cell(std::string(cell_text)) {}

  std::string text;
  Colour colour = Colour::kNone;
};

/// A table as kubectl prints it: headings in capitals, columns three spaces apart, no trailing spaces. Widths count
/// code points, so that names in any script stay aligned.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}

  /// One cell for each heading.
  void add_row(std::vector<Cell> cells);
  void print(std::ostream& out, bool coloured) const;

 private:
  std::vector<std::string> headings_;
  std::vector<std::vector<Cell>> rows_;
};

/// "94 MB", "13.8 GB": powers of ten, as storage is sold.
std::string format_bytes(std::uint64_t bytes);

/// "15.2 GiB": powers of two, as memory is.
std::string format_memory(std::uint64_t bytes);

/// "134.5M", "20.9B": parameters of a model.
std::string format_parameters(std::uint64_t parameters);

/// "42s", "3m", "5h", "12d": an age as kubectl shows it.
std::string format_age(std::int64_t seconds);

/// Writes `value` as "yaml" or "json" (two spaces), as `-o` asked.
void print_value(std::ostream& out, const Json& value, std::string_view format);

/// Writes several objects: a YAML stream with "---" between them, or a JSON List as kubectl makes it.
void print_objects(std::ostream& out, const std::vector<Json>& objects, std::string_view format);

/// Writes "error: WHAT" and the remedy on a line of its own to standard error.
void print_error(const Error& error);

}  // namespace gpuinfer::plugin
