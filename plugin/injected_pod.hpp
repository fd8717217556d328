// The pod of a model as the webhook will admit it, computed here.
#pragma once

#include "base/json.hpp"
#include "manifests/model.hpp"
#include "policies/policy_set.hpp"

namespace gpuinfer::plugin {

/// The pod that the model's Deployment makes, after the policies. Throws Error where they refuse it.
Json injected_pod(const manifests::ModelDeployment& deployment, const policies::PolicySet& policies);

}  // namespace gpuinfer::plugin
