// The golden cases: an object, the policy document that it meets, and what we answer.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "policies/admit.hpp"

namespace gpuinfer::policies {

/// One testdata/NAME.yaml.
struct GoldenCase {
  std::string name;
  Json object;
  InjectionPolicy policy;  ///< the file's InjectionPolicy document, or the default one
};

/// All of them, by name. The working directory is tests/.
std::vector<GoldenCase> golden_cases();

/// What testdata/NAME.expected.yaml holds: outcome, denial, warnings, actions and the patch.
Json answer(const Json& before, const Injection& injection);

}  // namespace gpuinfer::policies
