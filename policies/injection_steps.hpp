// An injection taken apart, for people who want to know which policy did what.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "policies/policy_set.hpp"

namespace gpuinfer::policies {

/// What one policy did.
struct InjectionStep {
  std::string policy;
  bool is_enabled = false;  ///< by the documents and the annotations
  Json before;
  Json after;
  std::vector<std::string> reasons;  ///< one for each change
};

/// The steps of inject(), in order; empty where it does not inject. Throws as inject() does.
std::vector<InjectionStep> injection_steps(const Json& pod, const PolicySet& policies,
                                           std::string_view request_namespace = {});

}  // namespace gpuinfer::policies
