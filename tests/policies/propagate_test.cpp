// policies/propagate: copies follow the workload, what a template's author wrote stays.
#include "policies/propagate.hpp"

#include "catch.hpp"
#include "policies/admit.hpp"

using namespace gpuinfer;
using namespace gpuinfer::policies;

namespace {

const Json::json_pointer kTemplateAnnotations("/spec/template/metadata/annotations");

Json deployment(const std::string& annotations, const std::string& template_annotations) {
  return {{"apiVersion", "apps/v1"},
          {"kind", "Deployment"},
          {"metadata", {{"name", "llm"}, {"annotations", Json::parse(annotations)}}},
          {"spec",
           {{"template",
             {{"metadata", {{"annotations", Json::parse(template_annotations)}}},
              {"spec", {{"containers", Json::array({{{"name", "main"}, {"image", "nginx"}}})}}}}}}}};
}

const std::string kOptIn = R"("gpuinfer.dev/inject": "true")";

}  // namespace

TEST_CASE("copies change with the workload's annotations and go with them") {
  Json object = deployment("{" + kOptIn + R"(, "gpuinfer.dev/model": "a/one", "gpuinfer.dev/gpus": "2"})", "{}");
  object = admit(object, default_policies()).object;
  CHECK(object[kTemplateAnnotations] == Json::parse("{" + kOptIn +
                                                    R"(, "gpuinfer.dev/model": "a/one", "gpuinfer.dev/gpus": "2",
                        "gpuinfer.dev/propagated": "inject,model,gpus"})"));
  CHECK(admit(object, default_policies()).actions.empty());

  object["metadata"]["annotations"] = Json::parse("{" + kOptIn + R"(, "gpuinfer.dev/model": "a/two"})");
  const Injection changed = admit(object, default_policies());
  CHECK(changed.object[kTemplateAnnotations] ==
        Json::parse("{" + kOptIn + R"(, "gpuinfer.dev/model": "a/two", "gpuinfer.dev/propagated": "inject,model"})"));
  CHECK(changed.warnings.empty());
  REQUIRE(changed.actions.size() == 2);
  CHECK(changed.actions[0].reason == "updates annotation gpuinfer.dev/model of the pod template");
  CHECK(changed.actions[1].reason == "removes annotation gpuinfer.dev/gpus from the pod template");
}

TEST_CASE("an opt-out on the workload reaches a template that has a copied opt-in") {
  Json object = admit(deployment("{" + kOptIn + "}", "{}"), default_policies()).object;
  object["metadata"]["annotations"]["gpuinfer.dev/inject"] = "false";
  object = admit(object, default_policies()).object;
  CHECK(object[kTemplateAnnotations]["gpuinfer.dev/inject"] == "false");

  object["metadata"]["annotations"] = Json::object();
  CHECK(admit(object, default_policies()).object[kTemplateAnnotations] == Json::object());
}

TEST_CASE("what the template's author wrote stays, with a warning where it differs") {
  const Json object =
      deployment("{" + kOptIn + R"(, "gpuinfer.dev/model": "a/one"})", R"({"gpuinfer.dev/model": "a/b"})");
  const Injection injection = admit(object, default_policies());
  CHECK(injection.object[kTemplateAnnotations] ==
        Json::parse(
            R"({"gpuinfer.dev/model": "a/b", "gpuinfer.dev/inject": "true", "gpuinfer.dev/propagated": "inject"})"));
  CHECK(injection.warnings.size() == 1);
}

TEST_CASE("a ReplicaSet of a Deployment is left alone, a Job of a CronJob is not") {
  Json object = deployment("{" + kOptIn + "}", "{}");
  object["metadata"]["ownerReferences"] = Json::array({{{"kind", "Deployment"}, {"controller", true}}});
  object["kind"] = "ReplicaSet";
  CHECK(admit(object, default_policies()).outcome == Outcome::kUntouched);
  object["apiVersion"] = "batch/v1";
  object["kind"] = "Job";
  CHECK(admit(object, default_policies()).outcome == Outcome::kInjected);
}
