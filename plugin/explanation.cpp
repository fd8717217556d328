// Runs the policies again on what the pod was, and looks for what they do in what it is.
#include "plugin/explanation.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "kube/resource.hpp"
#include "plugin/pod_progress.hpp"
#include "policies/admit.hpp"
#include "policies/annotations.hpp"
#include "policies/injection_steps.hpp"
#include "policies/json_patch.hpp"

namespace gpuinfer::plugin {

namespace {

using Pointer = Json::json_pointer;
using State = PolicyExplanation::State;

const Json& value_at(const Json& object, const Pointer& pointer) {
  static const Json none;
  return object.contains(pointer) ? object.at(pointer) : none;
}

std::string text_at(const Json& object, const char* pointer) {
  const Json& value = value_at(object, Pointer(pointer));
  return value.is_string() ? value.get<std::string>() : "";
}

std::string annotation(const Json& pod, const std::string& key) {
  const Json& annotations = policies::annotations_of(pod);
  const auto found = annotations.find(key);
  return found != annotations.end() && found->is_string() ? found->get<std::string>() : "";
}

/// The container of `pod` that is called as the one at `index` of `list` ("containers") in `reference`; null where none
/// is.
const Json* same_container(const Json& pod, const Json& reference, const std::string& list, std::size_t index) {
  const Json& containers = value_at(reference, Pointer("/spec/" + list));
  if (index >= containers.size()) return nullptr;
  const Json& candidates = value_at(pod, Pointer("/spec/" + list));
  const auto found = std::find_if(candidates.begin(), candidates.end(), [&](const Json& candidate) {
    return candidate.value("name", "") == containers[index].value("name", "");
  });
  return found == candidates.end() ? nullptr : &*found;
}

/// The place that a step of a JSON Patch writes to.
struct Field {
  Pointer path;           ///< below the pod, or below the container
  std::string list;       ///< "containers" or "initContainers", empty for the pod itself
  std::size_t index = 0;  ///< of the container
  bool is_appended = false;
};

Field field_of(const Json& step) {
  Field field{.path = Pointer(step.at("path").get<std::string>()), .list = ""};
  if (field.path.back() == "-") {
    field.is_appended = true;
    field.path.pop_back();
  }
  for (const char* list : {"containers", "initContainers"}) {
    const std::string prefix = std::string("/spec/") + list + "/";
    const std::string text = field.path.to_string();
    if (!text.starts_with(prefix)) continue;
    const std::size_t end = std::min(text.find('/', prefix.size()), text.size());
    field.list = list;
    field.index = std::stoul(text.substr(prefix.size(), end - prefix.size()));
    field.path = Pointer(text.substr(end));
  }
  return field;
}

/// "spec.containers[server].volumeMounts".
std::string readable(const Field& field, const Json& pod) {
  std::string text;
  if (!field.list.empty()) {
    const std::string name =
        text_at(pod, ("/spec/" + field.list + "/" + std::to_string(field.index) + "/name").c_str());
    text = "spec." + field.list + "[" + name + "]";
  }
  std::vector<std::string> keys;
  for (Pointer rest = field.path; !rest.empty(); rest.pop_back()) keys.push_back(rest.back());
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    const bool is_plain = key->find_first_of("./") == std::string::npos;
    text += is_plain ? (text.empty() ? "" : ".") + *key : "[" + *key + "]";
  }
  return text;
}

/// True where `whole` holds everything that `part` says; the API server adds defaults, and other webhooks elements.
bool holds(const Json& whole, const Json& part) {
  if (part.is_object() && whole.is_object()) {
    return std::all_of(part.items().begin(), part.items().end(), [&](const auto& item) {
      const auto found = whole.find(item.key());
      return found != whole.end() && holds(*found, item.value());
    });
  }
  if (part.is_array() && whole.is_array()) {
    return std::all_of(part.begin(), part.end(), [&](const Json& element) {
      return std::any_of(whole.begin(), whole.end(), [&](const Json& candidate) { return holds(candidate, element); });
    });
  }
  return whole == part;
}

/// True where `pod` has what the patch step `step` of `reference` writes.
bool is_done(const Json& pod, const Json& reference, const Json& step) {
  const Field field = field_of(step);
  const Json* base = field.list.empty() ? &pod : same_container(pod, reference, field.list, field.index);
  if (base == nullptr) return false;
  const Json& value = step.at("value");
  return holds(value_at(*base, field.path), field.is_appended ? Json::array({value}) : value);
}

PolicyExplanation explain_step(const Json& pod, const policies::InjectionStep& step) {
  PolicyExplanation explanation{.policy = step.policy, .state = State::kIdle, .reasons = step.reasons, .fields = {}};
  if (!step.is_enabled) explanation.state = State::kOff;
  if (step.reasons.empty()) return explanation;
  explanation.state = State::kDone;
  for (const Json& patch : policies::json_patch(step.before, step.after)) {
    if (patch.at("op") == "test") continue;
    const std::string field = readable(field_of(patch), step.before);
    // An empty map that only makes room.
    if (field.empty() || patch.value("value", Json()) == Json::object()) continue;
    if (explanation.fields.empty() || explanation.fields.back() != field) explanation.fields.push_back(field);
    if (!is_done(pod, step.before, patch)) explanation.state = State::kMissing;
  }
  return explanation;
}

bool is_ours(const Json& named) {
  return named.is_object() && named.value("name", Json("")).get<std::string>().starts_with("gpuinfer-");
}

/// Removes the elements of the list at `pointer` for which `predicate` holds, and the list where none is left.
template <typename Predicate>
void erase_from(Json& object, const char* key, Predicate predicate) {
  const auto list = object.find(key);
  if (list == object.end() || !list->is_array()) return;
  list->erase(std::remove_if(list->begin(), list->end(), predicate), list->end());
  if (list->empty()) object.erase(list);
}

void undo_in_containers(Json& pod, const char* list) {
  const auto containers = pod["spec"].find(list);
  if (containers == pod["spec"].end()) return;
  for (Json& container : *containers) {
    erase_from(container, "volumeMounts", [](const Json& mount) {
      return is_ours(mount) && (mount.value("mountPath", "") == "/dev/shm" || mount.value("readOnly", false));
    });
    erase_from(container, "env", [](const Json& variable) { return variable.value("name", "") == "GPUINFER_MODEL"; });
    const std::string key = policies::original_image_annotation(container.value("name", ""));
    if (const std::string image = annotation(pod, key); !image.empty()) {
      container["image"] = image;
      pod["metadata"]["annotations"].erase(key);
    }
  }
}

void say_why_not(const Json& pod, const policies::Injection& today, Explanation& explanation) {
  const std::optional<bool> choice = policies::injection_choice(pod);
  const bool is_wanted = today.outcome != policies::Outcome::kUntouched;
  if (choice == std::optional(false)) {
    explanation.summary = "not injected: its annotation gpuinfer.dev/inject says \"false\"";
  } else if (!choice && !is_wanted) {
    explanation.summary = "not injected: it has no annotation gpuinfer.dev/inject";
    explanation.advice = "set gpuinfer.dev/inject: \"true\" on its workload or pod template";
  } else if (!is_wanted) {
    explanation.summary = "not injected: its namespace is excluded, or it is a static pod";
  } else if (today.outcome == policies::Outcome::kInjected) {
    explanation.summary = "not injected, although it asks for it: the webhook did not answer when it was made";
    explanation.advice =
        "delete the pod, so that its workload makes it again; 'kubectl gpuinfer doctor' looks at the webhook";
  } else {
    explanation.summary = "not injected: its annotations are wrong";
    explanation.advice = "correct them on its workload or pod template";
  }
}

}  // namespace

std::string to_string(State state) {
  switch (state) {
    case State::kDone:
      return "done";
    case State::kMissing:
      return "missing";
    case State::kIdle:
      return "nothing to do";
    case State::kOff:
      return "off";
  }
  return "";
}

Original original_of(const Json& pod) {
  const std::string applied = annotation(pod, "kubectl.kubernetes.io/last-applied-configuration");
  if (Json original = Json::parse(applied, nullptr, false); original.is_object()) {
    return {std::move(original), "what kubectl applied"};
  }
  Json original = pod;
  if (!original.value("/metadata/annotations"_json_pointer, Json()).is_object() || !original.contains("spec"))
    return {pod, "the pod itself"};
  original["metadata"]["annotations"].erase(policies::kInjectedAnnotation);
  undo_in_containers(original, "containers");
  undo_in_containers(original, "initContainers");
  erase_from(original["spec"], "volumes", is_ours);
  erase_from(original["spec"], "tolerations", [](const Json& toleration) {
    return toleration.size() == 3 && toleration.value("operator", "") == "Exists" &&
           toleration.value("effect", "") == "NoSchedule" && toleration.value("key", "").find('/') != std::string::npos;
  });
  return {std::move(original), "the pod without what carries gpuinfer's names"};
}

Explanation explain(const Json& pod, const Original& original, const policies::PolicySet& policies,
                    const std::vector<Json>& events) {
  const std::string space = text_at(pod, "/metadata/namespace");
  Explanation explanation;
  explanation.name = kube::object_name(pod);
  explanation.namespace_name = space;
  explanation.source = original.source;
  const std::string note = annotation(pod, policies::kInjectedAnnotation);
  const policies::Injection today = policies::admit(original.pod, policies, space);
  explanation.is_injected = !note.empty();
  explanation.warnings = today.warnings;
  if (explanation.is_injected) {
    explanation.summary = "injected by policy document '" + note.substr(0, note.find(':')) + "'";
  } else {
    say_why_not(original.pod, today, explanation);
  }
  for (const policies::InjectionStep& step : policies::injection_steps(original.pod, policies, space)) {
    explanation.policies.push_back(explain_step(pod, step));
  }
  const PodProgress progress = pod_progress(pod, events);
  if (progress.phase != PodPhase::kReady) {
    explanation.problem = progress.problem;
    explanation.problem_advice = progress.advice;
  }
  return explanation;
}

}  // namespace gpuinfer::plugin
