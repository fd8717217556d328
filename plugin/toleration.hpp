// Tolerations on the command line.
#pragma once

#include <string>

#include "base/json.hpp"

namespace gpuinfer::plugin {

/// The toleration "key[=value][:effect]", as `kubectl taint` writes taints: without a value any value is tolerated,
/// without an effect every effect. Throws Error.
Json parse_toleration(const std::string& text);

}  // namespace gpuinfer::plugin
