// Compares objects with the YAML that is written down for them.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"

namespace gpuinfer::manifests {

/// Checks that `objects` are exactly the documents of manifests/testdata/`name`. With GPUINFER_UPDATE_GOLDEN=1 in the
/// environment, writes the file instead: read its diff before committing it.
void check_golden(const std::vector<Json>& objects, const std::string& name);

}  // namespace gpuinfer::manifests
