// What a user probably meant when a name is unknown.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gpuinfer {

/// ASCII letters in lower case, everything else as it is.
std::string to_lower(std::string_view text);

/// The candidate that `name` is the beginning of, else the one with the smallest edit distance to it, or "" where none
/// is near: more than a third of the letters differ. Upper and lower case are alike.
std::string closest_match(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace gpuinfer
