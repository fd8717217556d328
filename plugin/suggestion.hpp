// What a user probably meant when a name is unknown.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gpuinfer::plugin {

/// ASCII letters in lower case, everything else as it is.
std::string to_lower(std::string_view text);

/// The candidate with the smallest edit distance to `name` (case ignored), or "" where none is near: more than a third
/// of the letters differ.
std::string closest_match(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace gpuinfer::plugin
