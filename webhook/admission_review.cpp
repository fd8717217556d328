#include "webhook/admission_review.hpp"

#include <map>
#include <utility>

#include "base/base64.hpp"
#include "policies/admit.hpp"
#include "policies/json_patch.hpp"
#include "policies/pod.hpp"
#include "policies/propagate.hpp"
#include "policies/rejection.hpp"
#include "policies/shape.hpp"
#include "webhook/one_line.hpp"

namespace gpuinfer::webhook {

namespace {

using policies::member;
using policies::text_at;

constexpr const char* kApiVersion = "admission.k8s.io/v1";
constexpr const char* kKind = "AdmissionReview";
/// What the API server passes on: longer warnings are cut, and more than 4 KiB of them are dropped.
constexpr std::size_t kMaxWarningBytes = 255;
constexpr std::size_t kMaxWarnings = 16;
constexpr std::size_t kMaxAuditBytes = 1000;
constexpr int kUnprocessable = 422;

void check_review(const Json& review) {
  using policies::list;
  using policies::object;
  using policies::text;
  static const policies::Shape shape =
      object({{"apiVersion", text()},
              {"kind", text()},
              {"request", object({{"uid", text()},
                                  {"kind", object({{"group", text()}, {"version", text()}, {"kind", text()}})},
                                  {"operation", text()},
                                  {"subResource", text()},
                                  {"namespace", text()},
                                  {"name", text()},
                                  {"object", object({{"apiVersion", text()}, {"kind", text()}})}})}});
  try {
    policies::check_shape(review, shape, "review");
  } catch (const Error& error) {
    throw BadReview(error.what());
  }
  if (text_at(review, "apiVersion") != kApiVersion || text_at(review, "kind") != kKind) {
    throw BadReview(std::string("the body is not an ") + kKind + " of " + kApiVersion,
                    "list only v1 in admissionReviewVersions of the webhook configuration");
  }
  if (text_at(member(review, "request"), "uid").empty()) throw BadReview("the review has no request with a uid");
}

policies::Injection decide(const Json& request, const policies::PolicySet& policies) {
  const Json& object = member(request, "object");
  const std::string operation = text_at(request, "operation");
  const bool is_subresource = !text_at(request, "subResource").empty();
  const bool may_change = operation == "CREATE" || (operation == "UPDATE" && policies::may_change_on_update(object));
  if (is_subresource || !may_change || !object.is_object()) return {};
  try {
    return policies::admit(object, policies, text_at(request, "namespace"));
  } catch (const Error& error) {
    return policies::rejection(object, policies.unselected(), {error.what()});
  }
}

/// One entry for each policy that acted, with all that it did.
Json audit_annotations(const policies::Injection& injection) {
  std::map<std::string, std::string> texts;
  for (const policies::Action& action : injection.actions) {
    std::string& text = texts[action.policy];
    text += (text.empty() ? "" : "; ") + action.reason;
  }
  Json annotations = {{"outcome", name(injection.outcome)}};
  for (const auto& [policy, text] : texts) annotations[policy] = one_line(text, kMaxAuditBytes);
  return annotations;
}

Json warnings(const policies::Injection& injection) {
  Json lines = Json::array();
  for (const std::string& warning : injection.warnings) {
    if (lines.size() == kMaxWarnings) break;
    lines.push_back(one_line("gpuinfer: " + warning, kMaxWarningBytes));
  }
  return lines;
}

}  // namespace

AdmissionResult review(const Json& review, const policies::PolicySet& policies) {
  check_review(review);
  const Json& request = review["request"];
  AdmissionResult result;
  result.uid = text_at(request, "uid");
  result.kind = text_at(member(request, "kind"), "kind");
  result.operation = text_at(request, "operation");
  result.object_namespace = text_at(request, "namespace");
  result.object_name = text_at(request, "name");
  result.injection = decide(request, policies);

  const policies::Injection& injection = result.injection;
  Json response = {{"uid", result.uid}, {"allowed", injection.outcome != policies::Outcome::kDenied}};
  if (injection.outcome == policies::Outcome::kDenied) {
    response["status"] = {
        {"code", kUnprocessable}, {"reason", "Invalid"}, {"message", "gpuinfer: " + injection.denial}};
  }
  if (injection.outcome == policies::Outcome::kInjected) {
    if (const Json patch = policies::json_patch(member(request, "object"), injection.object); !patch.empty()) {
      const std::string text = patch.dump();
      result.patch_bytes = text.size();
      response["patchType"] = "JSONPatch";
      response["patch"] = base64_encode(text);
    }
  }
  if (!injection.warnings.empty()) response["warnings"] = warnings(injection);
  response["auditAnnotations"] = audit_annotations(injection);
  result.response = {{"apiVersion", kApiVersion}, {"kind", kKind}, {"response", std::move(response)}};
  return result;
}

}  // namespace gpuinfer::webhook
