// Renders the Deployment, takes its pod, and runs the policies on it.
#include "plugin/injected_pod.hpp"

#include "base/error.hpp"
#include "plugin/model_manifests.hpp"
#include "policies/inject.hpp"
#include "policies/propagate.hpp"

namespace gpuinfer::plugin {

Json injected_pod(const manifests::ModelDeployment& deployment, const policies::PolicySet& policies) {
  const Json workload =
      policies::propagate(object_of_kind(manifests::model_objects(deployment), "Deployment"), policies).object;
  const policies::Injection injection =
      policies::inject(policies::pods_of(workload).front(), policies, deployment.namespace_name);
  if (injection.outcome == policies::Outcome::kInjected) return injection.object;
  std::string reason = injection.denial;
  for (const std::string& warning : injection.warnings) reason += (reason.empty() ? "" : "; ") + warning;
  throw Error("the policies do not prepare the pod of " + deployment.name + ": " +
                  (reason.empty() ? "its namespace is excluded" : reason),
              "the policy document is in the ConfigMap gpuinfer-policy in namespace gpuinfer-system");
}

}  // namespace gpuinfer::plugin
