// The methods of strings and dicts that templates call.
#pragma once

#include <string>
#include <string_view>

#include "runtime/text/jinja/arguments.hpp"
#include "runtime/text/jinja/value.hpp"

namespace gpuinfer::text::jinja {

/// Throws Error for an object or arguments that Python would refuse, too.
using Method = Value (*)(const Value& object, const Arguments& arguments);

/// Null where there is none of that name.
Method find_method(std::string_view name);

/// The names of all, for messages.
std::string method_names();

/// `text` with each `from` replaced by `to`.
MarkedText replace(const MarkedText& text, std::string_view from, const MarkedText& to);

}  // namespace gpuinfer::text::jinja
