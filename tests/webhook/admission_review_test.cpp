// webhook/admission_review: what the API server gets back.
#include "webhook/admission_review.hpp"

#include <random>

#include "base/base64.hpp"
#include "catch.hpp"
#include "tests/webhook/review_of.hpp"
#include "webhook/one_line.hpp"
#include "webhook/review_json.hpp"

using namespace gpuinfer;
using namespace gpuinfer::webhook;
using policies::default_policies;
using policies::Outcome;

namespace {

Json deployment() {
  return {{"apiVersion", "apps/v1"},
          {"kind", "Deployment"},
          {"metadata", {{"name", "llm"}, {"annotations", {{"gpuinfer.dev/inject", "true"}}}}},
          {"spec", {{"template", {{"spec", gpu_pod()["spec"]}}}}}};
}

}  // namespace

TEST_CASE("a pod gets a patch in base64, the uid back, and an account of what was done") {
  const Json pod = gpu_pod();
  const AdmissionResult result = review(review_of(pod), default_policies());
  CHECK(result.response["apiVersion"] == "admission.k8s.io/v1");
  CHECK(result.response["kind"] == "AdmissionReview");
  const Json& response = result.response["response"];
  CHECK(response["uid"] == "705ab4f5-6393-11e8-b7cc-42010a800002");
  CHECK(response["allowed"] == true);
  CHECK(response["patchType"] == "JSONPatch");
  const std::string patch = base64_decode(response["patch"].get<std::string>()).value();
  CHECK(patch.size() == result.patch_bytes);
  const Json patched = pod.patch(Json::parse(patch));
  CHECK(patched["spec"]["tolerations"][0]["key"] == "nvidia.com/gpu");
  CHECK(patched == result.injection.object);
  CHECK(response["auditAnnotations"]["outcome"] == "injected");
  CHECK(response["auditAnnotations"]["gpu_toleration"] ==
        "tolerates the taint nvidia.com/gpu: container 'server' requests it");
  CHECK_FALSE(response.contains("warnings"));
  CHECK_FALSE(response.contains("status"));
  CHECK(result.kind == "Pod");
  CHECK(result.operation == "CREATE");
  CHECK(result.object_namespace == "team");
}

TEST_CASE("an injected pod that comes again (reinvocation) gets no patch") {
  const AdmissionResult first = review(review_of(gpu_pod()), default_policies());
  const Json response = review(review_of(first.injection.object), default_policies()).response["response"];
  CHECK(response["allowed"] == true);
  CHECK_FALSE(response.contains("patch"));
  CHECK_FALSE(response.contains("patchType"));
}

TEST_CASE("what must not change is allowed as it is") {
  Json binding = review_of(gpu_pod());
  binding["request"]["subResource"] = "ephemeralcontainers";
  Json deletion = review_of(gpu_pod(), "DELETE");
  deletion["request"]["object"] = nullptr;
  Json without_object = review_of(gpu_pod());
  without_object["request"].erase("object");
  Json service = gpu_pod();
  service["kind"] = "Service";
  const Json body =
      GENERATE_COPY(values<Json>({review_of(gpu_pod(), "UPDATE"), review_of(gpu_pod(), "CONNECT"), binding, deletion,
                                  without_object, review_of(service), review_of(deployment(), "DELETE")}));
  INFO(body);
  const AdmissionResult result = review(body, default_policies());
  CHECK(result.response["response"]["allowed"] == true);
  CHECK_FALSE(result.response["response"].contains("patch"));
  CHECK(result.injection.outcome == Outcome::kUntouched);
}

TEST_CASE("a pod in a namespace that only the request names is excluded by it") {
  Json body = review_of(gpu_pod());
  body["request"]["namespace"] = "kube-system";
  CHECK(review(body, default_policies()).injection.outcome == Outcome::kUntouched);
}

TEST_CASE("a Deployment propagates on CREATE and on UPDATE") {
  const std::string operation = GENERATE("CREATE", "UPDATE");
  const AdmissionResult result = review(review_of(deployment(), operation), default_policies());
  CHECK(Json::parse(base64_decode(result.response["response"]["patch"].get<std::string>()).value()) ==
        Json::parse(R"([{"op": "add", "path": "/spec/template/metadata",
                         "value": {"annotations": {"gpuinfer.dev/inject": "true",
                                                   "gpuinfer.dev/propagated": "inject"}}}])"));
}

TEST_CASE("wrong annotations warn, or refuse where the document says so") {
  Json pod = gpu_pod();
  pod["metadata"]["annotations"]["gpuinfer.dev/gpus"] = "many";
  Json response = review(review_of(pod), default_policies()).response["response"];
  CHECK(response["allowed"] == true);
  CHECK_FALSE(response.contains("patch"));
  CHECK(response["warnings"] == Json::array({"gpuinfer: not injected: annotation gpuinfer.dev/gpus: 'many' must be a "
                                             "whole number from 0 to 1024"}));

  const policies::PolicySet strict = policies::parse_policy_files(
      {{"strict.yaml",
        "apiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: strict}\n"
        "spec: {onInvalidAnnotation: deny}\n"}});
  response = review(review_of(pod), strict).response["response"];
  CHECK(response["allowed"] == false);
  CHECK(response["status"]["code"] == 422);
  CHECK(response["status"]["message"] ==
        "gpuinfer: annotation gpuinfer.dev/gpus: 'many' must be a whole number from 0 to 1024");
}

TEST_CASE("an object that we cannot read is admitted with a warning, never lost") {
  Json pod = gpu_pod();
  pod["spec"]["containers"][0]["resources"] = "none";
  const Json response = review(review_of(pod), default_policies()).response["response"];
  CHECK(response["allowed"] == true);
  CHECK(response["warnings"] == Json::array({"gpuinfer: not injected: pod.spec.containers[0].resources must be an "
                                             "object but is string"}));
}

TEST_CASE("a long value in any script is quoted in a response that is UTF-8") {
  std::string value;
  while (value.size() < 1000) value += "模型";
  Json pod = gpu_pod();
  SECTION("image") { pod["spec"]["containers"][0]["image"] = value; }
  SECTION("image, one byte on") { pod["spec"]["containers"][0]["image"] = "x" + value; }
  SECTION("limit") { pod["spec"]["containers"][0]["resources"]["limits"]["memory"] = value; }
  SECTION("limit, two bytes on") { pod["spec"]["containers"][0]["resources"]["limits"]["memory"] = "xx" + value; }
  SECTION("annotation") { pod["metadata"]["annotations"]["gpuinfer.dev/shm-size"] = value; }
  const policies::PolicySet mirror = policies::parse_policy_files(
      {{"mirror.yaml",
        "apiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: mirror}\n"
        "spec: {imageRegistry: {registry: mirror.internal}}\n"}});
  CHECK_NOTHROW(review(review_of(pod), mirror).response.dump());
}

TEST_CASE("warnings are few, short and of one line") {
  Json pod = gpu_pod();
  for (int i = 0; i < 100; ++i) {
    pod["metadata"]["annotations"]["gpuinfer.dev/\n" + std::to_string(i) + std::string(500, 'x')] = "y";
  }
  const Json warnings = review(review_of(pod), default_policies()).response["response"]["warnings"];
  CHECK(warnings.size() == 16);
  for (const Json& warning : warnings) {
    CHECK(warning.get<std::string>().size() < 256);
    CHECK(warning.get<std::string>().find('\n') == std::string::npos);
  }
  CHECK(one_line("模型模型", 10) == "模型…");
}

TEST_CASE("bodies that are no AdmissionReview v1 are refused") {
  const std::string good = review_of(gpu_pod()).dump();
  Json v1beta1 = review_of(gpu_pod());
  v1beta1["apiVersion"] = "admission.k8s.io/v1beta1";
  Json other_kind = review_of(gpu_pod());
  other_kind["kind"] = "TokenReview";
  Json without_uid = review_of(gpu_pod());
  without_uid["request"]["uid"] = nullptr;
  Json wrong_request = review_of(gpu_pod());
  wrong_request["request"] = "request";
  const std::string body = GENERATE_COPY(values<std::string>(
      {"", "{}", "null", "[]", "1", "1e999", "\"text\"", good.substr(0, good.size() / 2), good + "x", "\xff\xfe",
       std::string(100000, '['), v1beta1.dump(), other_kind.dump(), without_uid.dump(), wrong_request.dump()}));
  INFO(body.substr(0, 200));
  CHECK_THROWS_AS(review(parse_body(body), default_policies()), BadReview);
}

TEST_CASE("mutated reviews end in an answer with their uid, or are refused") {
  std::mt19937 random(7);
  const std::string good = review_of(gpu_pod()).dump();
  int answered = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string body = good;
    for (auto edits = 1 + random() % 3; edits > 0 && !body.empty(); --edits) {
      const std::size_t at = random() % body.size();
      switch (random() % 4) {
        case 0:
          body[at] = static_cast<char>(random());
          break;
        case 1:
          body.erase(at, 1 + random() % 6);
          break;
        case 2:
          body.insert(at, body.substr(at, random() % 40));
          break;
        default:
          if (random() % 10 == 0) body.resize(at);
      }
    }
    try {
      const AdmissionResult result = review(parse_body(body), default_policies());
      CHECK(result.response["response"]["uid"] == result.uid);
      ++answered;
    } catch (const BadReview&) {
    }
  }
  CHECK(answered > 0);
}
