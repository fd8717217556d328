#include "policies/propagate.hpp"

#include <algorithm>
#include <string>

#include "policies/annotations.hpp"
#include "policies/exemption.hpp"
#include "policies/pod.hpp"
#include "policies/rejection.hpp"
#include "policies/shape.hpp"
#include "policies/workload.hpp"

namespace gpuinfer::policies {

namespace {

using Pointer = Json::json_pointer;

/// Where `workload` has pod templates.
std::vector<Pointer> templates_of(const Json& workload) {
  std::vector<Pointer> found;
  for (const Pointer& pointer : workload_kind(workload)->templates) {
    if (workload.contains(pointer) && workload.at(pointer).is_object()) found.push_back(pointer);
  }
  return found;
}

/// "/spec/template" → "workload.spec.template", for messages.
std::string field_name(const Pointer& pointer) {
  std::string name = "workload" + pointer.to_string();
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

void check_workload(const Json& workload) {
  static const Shape shape =
      object({{"metadata", object({{"name", text()}, {"namespace", text()}, {"annotations", map(text())}})}});
  check_shape(workload, shape, "workload");
  for (const Pointer& pointer : templates_of(workload)) check_pod(workload.at(pointer), field_name(pointer));
}

/// Copies what the template at `pointer` lacks into `injection.object`.
void copy_annotations(const Json& workload, const Pointer& pointer, Injection& injection) {
  Json& metadata = injection.object[pointer]["metadata"];
  const std::string where = pointer.back() == "template" ? "the pod template" : pointer.back();
  for (const auto& [key, value] : annotations_of(workload).items()) {
    if (!key.starts_with(kAnnotationPrefix) || is_written_by_us(key)) continue;
    const Json& own = member(member(metadata, "annotations"), key.c_str());
    if (own.is_null()) {
      metadata["annotations"][key] = value;
      injection.actions.push_back({"propagate", "copies annotation " + key + " to " + where});
    } else if (own != value) {
      injection.warnings.push_back("annotation " + key + " is " + in_quotes(value.get<std::string>()) + " here and " +
                                   in_quotes(own.get<std::string>()) + " on " + where + ", whose value counts");
    }
  }
}

/// `pod_template` as the pod that it makes.
Json pod_from(const Json& pod_template, const Json& workload) {
  Json pod = {{"apiVersion", "v1"}, {"kind", "Pod"}};
  pod.update(pod_template);
  const Json& metadata = member(workload, "metadata");
  for (const char* key : {"name", "namespace"}) {
    if (const std::string value = text_at(metadata, key); !value.empty()) pod["metadata"][key] = value;
  }
  return pod;
}

/// The pods' own warnings and refusals reach only the controller that makes them; here a person still reads along.
/// False where a pod would be refused or left as it is because of them.
bool foresee_pods(Injection& injection, const PolicySet& policies, std::string_view request_namespace) {
  for (const Json& pod : pods_of(injection.object)) {
    Injection foreseen = inject(pod, policies, request_namespace);
    const bool is_rejected = foreseen.outcome == Outcome::kInvalid || foreseen.outcome == Outcome::kDenied;
    if (is_rejected) {
      injection = std::move(foreseen);
      return false;
    }
    for (std::string& warning : foreseen.warnings) {
      const bool is_new = std::find(injection.warnings.begin(), injection.warnings.end(), warning) ==
                          injection.warnings.end();  // two templates are often alike
      if (is_new) injection.warnings.push_back(std::move(warning));
    }
  }
  return true;
}

}  // namespace

bool is_workload(const Json& object) { return workload_kind(object) != nullptr; }

bool may_change_on_update(const Json& object) {
  const WorkloadKind* kind = workload_kind(object);
  return kind != nullptr && !kind->has_fixed_template;
}

std::vector<Json> pods_of(const Json& workload) {
  std::vector<Json> pods;
  for (const Pointer& pointer : templates_of(workload)) pods.push_back(pod_from(workload.at(pointer), workload));
  return pods;
}

Injection propagate(const Json& workload, const PolicySet& policies, std::string_view request_namespace) {
  check_workload(workload);
  Injection injection;
  injection.object = workload;
  const std::vector<Pointer> templates = templates_of(workload);
  if (templates.empty() || injection_choice(workload) != true || has_owner_that_compares(workload)) return injection;
  const std::shared_ptr<const InjectionPolicy> policy =
      policies.policy_for(pod_from(workload.at(templates.front()), workload), request_namespace);
  if (is_exempt(workload, *policy, request_namespace)) return injection;

  const ParsedAnnotations parsed = parse_annotations(workload);
  if (!parsed.problems.empty()) return rejection(workload, *policy, parsed.problems);
  for (const Pointer& pointer : templates) copy_annotations(workload, pointer, injection);
  injection.outcome = Outcome::kInjected;
  if (!foresee_pods(injection, policies, request_namespace)) injection.object = workload;
  return injection;
}

}  // namespace gpuinfer::policies
