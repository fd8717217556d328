// The policy disruption: Karpenter leaves a node alone while a model loads on it.
//
// Admission is the only moment at which we see a pod, so protection cannot end when loading ends; it can only carry its
// own end. Karpenter reads a duration from the pod's start on; a version that knows only "true" ignores it. "true"
// lasts as long as the pod, and keeps a GPU node that could have been given back.
#include "policies/gpu_request.hpp"
#include "policies/policy.hpp"

namespace gpuinfer::policies {

namespace {

constexpr const char* kDoNotDisrupt = "karpenter.sh/do-not-disrupt";

void apply(Json& pod, const Context& context, Findings& findings) {
  const bool is_asked_for = context.annotations.disruption.value_or(false);
  if (!is_asked_for && gpu_containers(pod, context).empty()) return;
  Json& annotations = pod["metadata"]["annotations"];
  if (annotations.contains(kDoNotDisrupt)) return;
  const std::string& duration = context.document.disruption.protect_for;
  const bool is_forever = duration == "always";
  annotations[kDoNotDisrupt] = is_forever ? "true" : duration;
  findings.reasons.push_back(is_forever ? "keeps Karpenter from disrupting the pod's node as long as the pod lives"
                                        : "keeps Karpenter from disrupting the pod's node for " + duration);
}

}  // namespace

const Policy disruption{
    "disruption",
    [](const Context& context) { return context.annotations.disruption.value_or(context.document.disruption.enabled); },
    apply};

}  // namespace gpuinfer::policies
