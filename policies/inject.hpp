// Injection: what a pod becomes on its way into the cluster, and why. The webhook and the offline preview both call it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "policies/policy_set.hpp"

namespace gpuinfer::policies {

enum class Outcome {
  kUntouched,  ///< nobody asked for it, or it is never changed (mirror pod, kube-system)
  kInjected,   ///< went through the policies; `actions` is empty where nothing was left to do
  kInvalid,    ///< its annotations are wrong: admitted as it came, with `warnings`
  kDenied,     ///< its annotations are wrong: refused with `denial`
};

/// "untouched", "injected", "invalid", "denied": for logs and metrics.
std::string_view name(Outcome outcome);

/// One change, as people read it: "gpu_toleration" "tolerates nvidia.com/gpu because container 'server' requests it".
struct Action {
  std::string policy;
  std::string reason;
};

/// What became of one object.
struct Injection {
  Outcome outcome = Outcome::kUntouched;
  Json object;                        ///< the object after the changes; equal to the input unless kInjected
  std::vector<Action> actions;        ///< in the order in which they were made
  std::vector<std::string> warnings;  ///< for the user, one line each
  std::string denial;                 ///< why it was refused; only with kDenied
};

/// Applies the policies to a pod (raw JSON of a v1 Pod; fields that we do not know pass through untouched). Injecting
/// the result again changes nothing. `request_namespace` counts where the pod names no namespace itself. Throws Error
/// where a field that the policies read has another JSON type than Kubernetes gives it.
Injection inject(const Json& pod, const PolicySet& policies, std::string_view request_namespace = {});

}  // namespace gpuinfer::policies
