// The filters and tests of templates.
#pragma once

#include <string>
#include <string_view>

#include "runtime/text/jinja/arguments.hpp"
#include "runtime/text/jinja/value.hpp"

namespace gpuinfer::text::jinja {

/// Throws Error for input or arguments that Jinja would refuse, too.
using Filter = Value (*)(const Value& input, const Arguments& arguments);

/// What can stand after `is`.
struct Test {
  std::string_view name;
  /// `argument` is null exactly where the test takes none.
  bool (*holds)(const Value& input, const Value* argument);
  bool takes_argument = false;
};

/// Null where there is none of that name.
Filter find_filter(std::string_view name);
const Test* find_test(std::string_view name);

/// The names of all, for messages.
std::string filter_names();
std::string test_names();

/// `needle in haystack`.
bool contains(const Value& haystack, const Value& needle);

/// What `for` sees: the items of a list, the keys of a dict, the characters of a string; nothing of an undefined value.
/// Throws Error for the rest.
List items_of(const Value& value);

}  // namespace gpuinfer::text::jinja
