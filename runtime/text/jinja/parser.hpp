// Turns the tokens of a template into its tree.
#pragma once

#include <string_view>

#include "runtime/text/jinja/syntax.hpp"

namespace gpuinfer::text::jinja {

/// Throws Error naming the line where `source` is not a template, and where it uses something of Jinja that we do not
/// have: a template that parses means what it says.
Block parse(std::string_view source);

}  // namespace gpuinfer::text::jinja
