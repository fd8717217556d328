// The JSON type of the whole project.
#pragma once

#include <nlohmann/json.hpp>

namespace gpuinfer {

/// Keeps the order of object keys, so that a user's YAML and our manifests come out in the order in which they were
/// written.
using Json = nlohmann::ordered_json;

}  // namespace gpuinfer
