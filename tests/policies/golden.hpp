// The golden cases: an object, the policy documents that it meets, and what we answer.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "policies/admit.hpp"

namespace gpuinfer::policies {

/// One testdata/TOPIC/NAME.yaml: the object, then the policy documents, then below a line "--- # answer" what we say.
struct GoldenCase {
  std::string name;  ///< TOPIC/NAME
  Json object;
  std::string documents;     ///< the file's InjectionPolicy documents, as YAML; "" for the default one
  PolicySet policies;        ///< what they add up to
  std::string input;         ///< the file's text above the answer
  std::string answer_as_is;  ///< the file's text below it
};

/// All of them, by name. The working directory is tests/.
std::vector<GoldenCase> golden_cases();

/// Pods of a quarter of a megabyte, too large to be worth reading: many containers, much environment, long texts.
std::vector<GoldenCase> large_cases();

/// What stands below "--- # answer": outcome, denial, warnings, actions and the patch.
Json answer(const Json& before, const Injection& injection);

/// Writes `text` below the input of `golden`.
void record_answer(const GoldenCase& golden, const std::string& text);

}  // namespace gpuinfer::policies
