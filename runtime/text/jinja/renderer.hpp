// Renders the tree of a template.
#pragma once

#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/text/jinja/syntax.hpp"
#include "runtime/text/jinja/value.hpp"
#include "runtime/text/marked_text.hpp"

namespace gpuinfer::text::jinja {

/// `now` is what strftime_now() tells. Throws Error, naming the line, where the template fails on these variables or
/// asks for an absurd amount of work, and with the template's own message where it raises an exception.
MarkedText render(const Block& block, const std::map<std::string, Value>& variables, std::time_t now);

/// The name by which templates call the function.
std::optional<Function> find_function(std::string_view name);

}  // namespace gpuinfer::text::jinja
