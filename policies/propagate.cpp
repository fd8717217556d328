#include "policies/propagate.hpp"

#include <algorithm>
#include <sstream>
#include <string>
#include <utility>

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

/// The annotations of one pod template, and which of them are copies of the workload's. A copy follows its original,
/// and goes with it; without the list of them nobody could tell it from what the template's author wrote.
class TemplateAnnotations {
 public:
  TemplateAnnotations(Json& annotations, std::string where) : annotations_(annotations), where_(std::move(where)) {
    std::istringstream names(text_at(annotations_, kPropagatedAnnotation));
    for (std::string name; std::getline(names, name, ',');) copies_.push_back(std::string(kAnnotationPrefix) + name);
  }

  void follow(const std::string& key, const Json& value, Injection& injection) {
    const Json& own = member(annotations_, key.c_str());
    if (own == value) return;
    if (own.is_null() || is_copy(key)) {
      const std::string what =
          own.is_null() ? "copies annotation " + key + " to " : "updates annotation " + key + " of ";
      injection.actions.push_back({"propagate", what + where_});
      if (!is_copy(key)) copies_.push_back(key);
      annotations_[key] = value;
    } else {
      injection.warnings.push_back("annotation " + key + " is " + in_quotes(value.get<std::string>()) + " here and " +
                                   in_quotes(own.get<std::string>()) + " on " + where_ + ", whose value counts");
    }
  }

  /// Removes copies whose originals are not in `originals` any more.
  void forget_all_but(const Json& originals, Injection& injection) {
    std::erase_if(copies_, [&](const std::string& key) {
      if (originals.contains(key)) return false;
      if (annotations_.erase(key) > 0) {
        injection.actions.push_back({"propagate", "removes annotation " + key + " from " + where_});
      }
      return true;
    });
  }

  /// Writes down which annotations are copies.
  void note_copies() {
    std::string names;
    for (const std::string& key : copies_) names += (names.empty() ? "" : ",") + key.substr(kAnnotationPrefix.size());
    if (names.empty()) {
      annotations_.erase(kPropagatedAnnotation);
    } else {
      annotations_[kPropagatedAnnotation] = names;
    }
  }

 private:
  bool is_copy(const std::string& key) const { return std::find(copies_.begin(), copies_.end(), key) != copies_.end(); }

  Json& annotations_;
  std::string where_;
  std::vector<std::string> copies_;
};

void copy_annotations(const Json& workload, const Pointer& pointer, Injection& injection) {
  Json& annotations = injection.object[pointer]["metadata"]["annotations"];
  if (annotations.is_null()) annotations = Json::object();
  TemplateAnnotations copies(annotations, pointer.back() == "template" ? "the pod template" : pointer.back());
  const Json& originals = annotations_of(workload);
  for (const auto& [key, value] : originals.items()) {
    if (key.starts_with(kAnnotationPrefix) && !is_written_by_us(key)) copies.follow(key, value, injection);
  }
  copies.forget_all_but(originals, injection);
  copies.note_copies();
}

/// True where a template has copies, which have to follow even a workload that asks for nothing any more.
bool has_copies(const Json& workload, const std::vector<Pointer>& templates) {
  return std::any_of(templates.begin(), templates.end(), [&](const Pointer& pointer) {
    return annotations_of(workload.at(pointer)).contains(kPropagatedAnnotation);
  });
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
  const std::vector<Pointer> templates = templates_of(workload);
  pods.reserve(templates.size());
  for (const Pointer& pointer : templates) pods.push_back(pod_from(workload.at(pointer), workload));
  return pods;
}

Injection propagate(const Json& workload, const PolicySet& policies, std::string_view request_namespace) {
  check_workload(workload);
  Injection injection;
  injection.object = workload;
  const std::vector<Pointer> templates = templates_of(workload);
  const bool is_asked_for = injection_choice(workload) == true || has_copies(workload, templates);
  if (templates.empty() || !is_asked_for || has_owner_that_compares(workload)) return injection;
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
