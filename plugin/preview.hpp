// What the webhook would do to objects, computed here with the same functions.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "policies/inject.hpp"
#include "policies/policy_set.hpp"

namespace gpuinfer::plugin {

/// One object on its way through the webhook.
struct Preview {
  std::string name;  ///< "Pod/x"; of a workload's pod "Pod/x (made by Deployment/x)"
  Json before;
  policies::Injection injection;
};

/// `object`, and for a workload also the pods that it would make.
std::vector<Preview> preview(const Json& object, const policies::PolicySet& policies,
                             const std::string& namespace_name);

/// Shows previews as "yaml", "json" (the objects afterwards), "patch" (JSON Patch) or "diff".
std::string render(const std::vector<Preview>& previews, const std::string& format);

}  // namespace gpuinfer::plugin
