#include "tests/fuzz/idempotence.hpp"

#include "policies/admit.hpp"
#include "policies/annotations.hpp"
#include "policies/json_patch.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/same.hpp"

namespace gpuinfer::fuzz {

namespace {

/// `object` with the note that `injected` carries of which document was applied, the one change that needs no action.
Json noted(Json object, const Json& injected) {
  static const Json::json_pointer kNote = Json::json_pointer("/metadata/annotations") / policies::kInjectedAnnotation;
  if (injected.contains(kNote)) object[kNote] = injected[kNote];
  return object;
}

std::string described(const Json& object, const policies::Injection& injection) {
  std::string text = object.dump(1) + "\n" + policies::json_patch(object, injection.object).dump(1);
  for (const policies::Action& action : injection.actions) text += "\n" + action.policy + ": " + action.reason;
  for (const std::string& warning : injection.warnings) text += "\nwarning: " + warning;
  return text;
}

}  // namespace

void check_admission(const Json& object, const policies::PolicySet& policies, std::string_view request_namespace) {
  const policies::Injection first = policies::admit(object, policies, request_namespace);
  const Json patch = policies::json_patch(object, first.object);
  promise(same(object.patch(patch), first.object), "the patch makes the injected object", described(object, first));
  if (first.outcome != policies::Outcome::kInjected) {
    promise(patch.empty(), "only an injected object is changed", described(object, first));
    return;
  }
  promise(first.actions.empty() ? same(noted(object, first.object), first.object) : !patch.empty(),
          "every change is explained", described(object, first));

  const policies::Injection second = policies::admit(first.object, policies, request_namespace);
  promise(second.object == first.object && second.actions.empty(), "the second injection changes nothing",
          described(object, first) + "\nand then\n" + described(first.object, second));
  promise(second.outcome == policies::Outcome::kInjected, "an injected object is accepted again",
          described(object, first) + "\nand then " + std::string(name(second.outcome)) + "\n" + second.denial);
}

}  // namespace gpuinfer::fuzz
