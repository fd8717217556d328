// Why a pod is as it is: which of its fields our policies wrote, and for which reason. Pure functions over objects.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "policies/policy_set.hpp"

namespace gpuinfer::plugin {

/// A pod as it was before the webhook saw it.
struct Original {
  Json pod;
  std::string source;  ///< "the template of ReplicaSet/x": how we know
};

/// What one policy did to a pod.
struct PolicyExplanation {
  enum class State {
    kDone,     ///< it changed `fields`, for `reasons`
    kMissing,  ///< it would change `fields`, and the pod does not have that
    kIdle,     ///< nothing was missing
    kOff,      ///< switched off by a document or an annotation
  };
  std::string policy;
  State state = State::kOff;
  std::vector<std::string> reasons;
  std::vector<std::string> fields;  ///< "spec.containers[server].volumeMounts"
};

/// "done", "missing", "nothing to do", "off".
std::string to_string(PolicyExplanation::State state);

struct Explanation {
  std::string name;  ///< "Pod/x"
  std::string namespace_name;
  bool is_injected = false;
  std::string summary;  ///< "injected by policy document 'default'", or why it was not
  std::string advice;   ///< what to do about that; may be empty
  std::string source;   ///< of the pod's original
  std::vector<PolicyExplanation> policies;
  std::vector<std::string> warnings;
  std::string problem;  ///< why it is not running, in the cluster's own words; may be empty
  std::string problem_advice;
};

/// What can be told about the original from the pod alone: kubectl's note of what was applied, or else the pod without
/// what carries our names.
Original original_of(const Json& pod);

/// `events` are the pod's own.
Explanation explain(const Json& pod, const Original& original, const policies::PolicySet& policies,
                    const std::vector<Json>& events);

}  // namespace gpuinfer::plugin
