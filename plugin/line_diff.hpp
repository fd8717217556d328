// What changed between two texts, line by line, as `diff -u` shows it.
#pragma once

#include <string>
#include <string_view>

namespace gpuinfer::plugin {

/// A unified diff with three lines of context; "" where the texts are equal.
std::string unified_diff(std::string_view before, std::string_view after, std::string_view before_name,
                         std::string_view after_name);

}  // namespace gpuinfer::plugin
