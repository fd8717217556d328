#include "policies/inject.hpp"

#include <array>
#include <functional>
#include <utility>

#include "policies/annotations.hpp"
#include "policies/exemption.hpp"
#include "policies/injection_steps.hpp"
#include "policies/pod.hpp"
#include "policies/policy.hpp"
#include "policies/rejection.hpp"

namespace gpuinfer::policies {

namespace {

/// The order in which policies run: `placement` looks at the volume of `model_storage`, and `hardening` at everything.
constexpr std::array kPolicies{&gpu_toleration, &image_registry, &shared_memory, &model_storage, &environment,
                               &placement,      &probes,         &disruption,    &hardening};

/// "DOCUMENT: policy, policy" in gpuinfer.dev/injected. A second injection (reinvocation after another webhook) may
/// only add names.
void note_injection(Json& pod, const InjectionPolicy& policy, const std::vector<Action>& actions) {
  Json& note = pod["metadata"]["annotations"][kInjectedAnnotation];
  std::string text = note.is_string() ? note.get<std::string>() : policy.name + ":";
  for (const Action& action : actions) {
    if (text.find(action.policy) != std::string::npos) continue;
    text += (text.ends_with(':') ? " " : ", ") + action.policy;
  }
  note = text;
}

/// Is shown what is there after each policy; may be empty.
using Observer = std::function<void(const Policy&, bool is_enabled, const Injection& so_far)>;

void apply_policies(Injection& injection, const Annotations& annotations, const InjectionPolicy& document,
                    const Observer& observe) {
  const Context context{annotations, document};
  // Made now, because a key that is added to a pod later would move the containers that policies point to.
  Json& pod_annotations = injection.object["metadata"]["annotations"];
  if (pod_annotations.is_null()) pod_annotations = Json::object();
  for (const Policy* policy : kPolicies) {
    const bool is_enabled = policy->is_enabled(context);
    Findings findings;
    if (is_enabled) policy->apply(injection.object, context, findings);
    for (std::string& reason : findings.reasons) {
      injection.actions.push_back({std::string(policy->name), std::move(reason)});
    }
    std::move(findings.warnings.begin(), findings.warnings.end(), std::back_inserter(injection.warnings));
    if (observe) observe(*policy, is_enabled, injection);
  }
}

Injection inject_observed(const Json& pod, const PolicySet& policies, std::string_view request_namespace,
                          const Observer& observe) {
  check_pod(pod, "pod");
  const std::shared_ptr<const InjectionPolicy> policy = policies.policy_for(pod, request_namespace);
  Injection injection;
  injection.object = pod;
  const bool is_wanted = injection_choice(pod).value_or(policy->inject_selected);
  if (!is_wanted || is_exempt(pod, *policy, request_namespace)) return injection;

  const ParsedAnnotations parsed = parse_annotations(pod);
  if (!parsed.problems.empty()) return rejection(pod, *policy, parsed.problems);
  try {
    apply_policies(injection, parsed.values, *policy, observe);
  } catch (const AnnotationError& error) {
    return rejection(pod, *policy, {error.what()});
  }
  injection.outcome = Outcome::kInjected;
  note_injection(injection.object, *policy, injection.actions);
  return injection;
}

}  // namespace

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kUntouched:
      return "untouched";
    case Outcome::kInjected:
      return "injected";
    case Outcome::kInvalid:
      return "invalid";
    case Outcome::kDenied:
      return "denied";
  }
  return "";
}

Injection inject(const Json& pod, const PolicySet& policies, std::string_view request_namespace) {
  return inject_observed(pod, policies, request_namespace, {});
}

std::vector<InjectionStep> injection_steps(const Json& pod, const PolicySet& policies,
                                           std::string_view request_namespace) {
  std::vector<InjectionStep> steps;
  Json before = pod;
  std::size_t actions_before = 0;
  const auto record = [&](const Policy& policy, bool is_enabled, const Injection& so_far) {
    InjectionStep step{.policy = std::string(policy.name),
                       .is_enabled = is_enabled,
                       .before = std::move(before),
                       .after = so_far.object,
                       .reasons = {}};
    for (; actions_before < so_far.actions.size(); ++actions_before) {
      step.reasons.push_back(so_far.actions[actions_before].reason);
    }
    before = so_far.object;
    steps.push_back(std::move(step));
  };
  const Injection injection = inject_observed(pod, policies, request_namespace, record);
  if (injection.outcome != Outcome::kInjected) steps.clear();
  return steps;
}

}  // namespace gpuinfer::policies
