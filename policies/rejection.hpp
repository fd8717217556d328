// What becomes of an object whose annotations are wrong, by the document's `onInvalidAnnotation`.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "policies/inject.hpp"

namespace gpuinfer::policies {

/// `object` as it came, admitted with each of `problems` as a warning or refused with all of them.
Injection rejection(const Json& object, const InjectionPolicy& policy, const std::vector<std::string>& problems);

}  // namespace gpuinfer::policies
