#include "runtime/text/jinja/arguments.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace gpuinfer::text::jinja {

const Value* argument(const Arguments& arguments, std::size_t index, std::string_view name) {
  if (index < arguments.positional.size()) return &arguments.positional[index];
  const auto found = std::find_if(arguments.keyword.begin(), arguments.keyword.end(),
                                  [&](const auto& keyword) { return keyword.first == name; });
  return found == arguments.keyword.end() ? nullptr : &found->second;
}

void expect_arguments(const Arguments& arguments, std::string_view what, std::size_t positional,
                      std::initializer_list<std::string_view> names) {
  const bool known = std::all_of(arguments.keyword.begin(), arguments.keyword.end(), [&](const auto& keyword) {
    return std::find(names.begin(), names.end(), keyword.first) != names.end();
  });
  if (arguments.positional.size() > positional || !known) {
    throw Error("these arguments of " + std::string(what) + " are not supported");
  }
}

void wrong_kind(std::string_view what, const Value& value) {
  value.defined();
  throw Error(std::string(what) + " of a " + std::string(value.kind()));
}

}  // namespace gpuinfer::text::jinja
