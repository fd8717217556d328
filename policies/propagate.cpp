#include "policies/propagate.hpp"

#include <string>

#include "policies/annotations.hpp"
#include "policies/exemption.hpp"
#include "policies/pod.hpp"
#include "policies/rejection.hpp"
#include "policies/shape.hpp"

namespace gpuinfer::policies {

namespace {

void check_workload(const Json& workload) {
  static const Shape shape =
      object({{"metadata", object({{"name", text()}, {"namespace", text()}, {"annotations", map(text())}})},
              {"spec", object({{"template", object({})}})}});
  check_shape(workload, shape, "workload");
  check_pod(member(member(workload, "spec"), "template"), "workload.spec.template");
}

/// Copies what the template lacks into `injection.object`.
void copy_annotations(const Json& workload, Injection& injection) {
  Json& metadata = injection.object["spec"]["template"]["metadata"];
  for (const auto& [key, value] : annotations_of(workload).items()) {
    if (!key.starts_with(kAnnotationPrefix) || is_written_by_us(key)) continue;
    const Json& own = member(member(metadata, "annotations"), key.c_str());
    if (own.is_null()) {
      metadata["annotations"][key] = value;
      injection.actions.push_back({"propagate", "copies annotation " + key + " to the pod template"});
    } else if (own != value) {
      injection.warnings.push_back("annotation " + key + " is " + in_quotes(value.get<std::string>()) + " here and " +
                                   in_quotes(own.get<std::string>()) + " on the pod template, whose value counts");
    }
  }
}

}  // namespace

bool is_workload(const Json& object) {
  return text_at(object, "kind") == "Deployment" && text_at(object, "apiVersion") == "apps/v1";
}

Json pod_of(const Json& workload) {
  Json pod = {{"apiVersion", "v1"}, {"kind", "Pod"}};
  const Json& pod_template = member(member(workload, "spec"), "template");
  if (pod_template.is_object()) pod.update(pod_template);
  const Json& metadata = member(workload, "metadata");
  for (const char* key : {"name", "namespace"}) {
    if (const std::string value = text_at(metadata, key); !value.empty()) pod["metadata"][key] = value;
  }
  return pod;
}

Injection propagate(const Json& workload, const InjectionPolicy& policy, std::string_view request_namespace) {
  check_workload(workload);
  Injection injection;
  injection.object = workload;
  const bool has_template = member(member(workload, "spec"), "template").is_object();
  const bool is_affected =
      has_template && asks_for_injection(workload) && !is_exempt(workload, policy, request_namespace);
  if (!is_affected) return injection;

  const ParsedAnnotations parsed = parse_annotations(workload);
  if (!parsed.problems.empty()) return rejection(workload, policy, parsed.problems);
  copy_annotations(workload, injection);

  // The pods' own warnings and refusals reach only the controller that makes them; here a person still reads along.
  const Injection pod = inject(pod_of(injection.object), policy, request_namespace);
  if (pod.outcome == Outcome::kUntouched || pod.outcome == Outcome::kInjected) {
    injection.outcome = Outcome::kInjected;
    injection.warnings.insert(injection.warnings.end(), pod.warnings.begin(), pod.warnings.end());
    return injection;
  }
  Injection rejected = pod;
  rejected.object = workload;
  return rejected;
}

}  // namespace gpuinfer::policies
