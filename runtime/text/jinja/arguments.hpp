// What stands in the parentheses of a filter, a method or a macro.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/text/jinja/value.hpp"

namespace gpuinfer::text::jinja {

/// Evaluated arguments.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keyword;
};

/// The argument at `index` or called `name`, or null.
const Value* argument(const Arguments& arguments, std::size_t index, std::string_view name);

/// Refuses arguments beyond the first `positional` and the `names`, rather than ignoring them. Throws Error naming
/// `what`.
void expect_arguments(const Arguments& arguments, std::string_view what, std::size_t positional,
                      std::initializer_list<std::string_view> names = {});

/// Throws Error: `what` cannot be done with `value`.
[[noreturn]] void wrong_kind(std::string_view what, const Value& value);

}  // namespace gpuinfer::text::jinja
