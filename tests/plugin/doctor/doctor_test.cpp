// Every finding of `doctor`, from a healthy installation with one thing changed.
#include "plugin/doctor/doctor.hpp"

#include "base/base64.hpp"
#include "catch.hpp"
#include "kube/certificate.hpp"
#include "manifests/webhook.hpp"

namespace gpuinfer::plugin {

namespace {

using std::chrono::days;

struct Fixture {
  kube::KeyedCertificate authority = kube::make_authority("authority");
  WebhookFacts facts = healthy();

  WebhookFacts healthy() const {
    WebhookFacts healthy;
    healthy.api_server_version = "v1.36.3";
    healthy.now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    healthy.configuration = manifests::webhook_objects({}).back();
    for (Json& webhook : (*healthy.configuration)["webhooks"]) {
      webhook["clientConfig"]["caBundle"] = base64_encode(authority.certificate);
    }
    healthy.deployment = Json{{"spec", {{"replicas", 2}}}, {"status", {{"readyReplicas", 2}}}};
    const Json ready = {{"conditions", {{"ready", true}}}};
    healthy.endpoint_slices = {Json{{"endpoints", {ready, ready}}}};
    healthy.replicas = {{.pod = "webhook-a", .status = status(days(60))},
                        {.pod = "webhook-b", .status = status(days(60))}};
    healthy.policies = policies::default_policies();
    healthy.pods_that_ask = {pod("good", {{"gpuinfer.dev/injected", "default"}})};
    return healthy;
  }

  Json status(std::chrono::seconds lifetime) const {
    const auto served = kube::make_server_certificate(authority, {manifests::kWebhookDnsName}, lifetime);
    return {{"policy", {{"hash", "1"}, {"error", ""}}}, {"certificate", {{"pem", served.certificate}, {"error", ""}}}};
  }

  static Json pod(const std::string& name, Json annotations) {
    annotations["gpuinfer.dev/inject"] = "true";
    return {{"metadata", {{"name", name}, {"namespace", "team"}, {"annotations", annotations}}}};
  }

  /// The only finding that is not kOk: "error: what". Every such finding has a remedy.
  std::string complaint() const {
    std::string complaint;
    for (const Finding& finding : examine(facts)) {
      CHECK(finding.remedy.empty() == (finding.severity == Severity::kOk));
      if (finding.severity == Severity::kOk) continue;
      CHECK(complaint.empty());
      complaint = to_string(finding.severity) + ": " + finding.what;
    }
    CHECK(complaint.empty() == is_healthy(examine(facts)));
    return complaint;
  }

  Json& webhook(std::size_t index) { return (*facts.configuration)["webhooks"][index]; }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a healthy installation") {
  CHECK(complaint().empty());
  CHECK(examine(facts).size() >= 6);
}

TEST_CASE_METHOD(Fixture, "nothing is installed") {
  WebhookFacts nothing{};
  nothing.api_server_version = "v1.36.3";
  nothing.policy_problem = "there is none";
  nothing.now = facts.now;
  facts = nothing;
  CHECK_FALSE(is_healthy(examine(facts)));
}

TEST_CASE_METHOD(Fixture, "a configuration that somebody changed") {
  SECTION("rules") {
    webhook(0)["rules"][0]["operations"].push_back("UPDATE");
    CHECK(complaint() == "warning: pods.gpuinfer.dev: rules is not what this version installs");
  }
  SECTION("conditions") {
    webhook(1).erase("matchConditions");
    CHECK(complaint() == "warning: workloads.gpuinfer.dev: matchConditions is not what this version installs");
  }
  SECTION("system namespaces") {
    webhook(0)["namespaceSelector"] = Json::object();
    CHECK_THAT(complaint(), Catch::StartsWith("error: pods.gpuinfer.dev: kube-system is not excluded"));
  }
  SECTION("a webhook is missing") {
    (*facts.configuration)["webhooks"].erase(1);
    CHECK(complaint() == "error: the webhook workloads.gpuinfer.dev is missing");
  }
  SECTION("members in another order, more namespaces, Fail") {
    webhook(0)["rules"][0] = Json(nlohmann::json(webhook(0)["rules"][0]));
    webhook(0)["failurePolicy"] = "Fail";
    webhook(0)["namespaceSelector"]["matchExpressions"][0]["values"].push_back("karpenter");
    CHECK(complaint().empty());
  }
}

TEST_CASE_METHOD(Fixture, "replicas") {
  Json& deployment = *facts.deployment;
  SECTION("none is ready") {
    deployment["status"] = Json::object();
    CHECK(complaint() == "error: 0 of 2 ready");
  }
  SECTION("one is missing") {
    deployment["status"]["readyReplicas"] = 1;
    CHECK(complaint() == "warning: 1 of 2 ready");
  }
  SECTION("only one is wanted") {
    deployment = {{"spec", {{"replicas", 1}}}, {"status", {{"readyReplicas", 1}}}};
    CHECK_THAT(complaint(), Catch::StartsWith("warning: there is only one"));
  }
  SECTION("scaled to zero") {
    deployment = {{"spec", {{"replicas", 0}}}};
    CHECK(complaint() == "error: scaled to zero: nobody answers");
  }
  SECTION("the Service leads nowhere") {
    facts.endpoint_slices = {Json{{"endpoints", nullptr}}};
    CHECK_THAT(complaint(), Catch::Contains("does not lead to every ready pod"));
  }
  SECTION("one is silent") {
    facts.replicas[1] = {.pod = "webhook-b", .status = nullptr, .unreachable = "timeout"};
    CHECK_THAT(complaint(), Catch::StartsWith("warning: webhook-b does not say how it is: timeout"));
  }
}

TEST_CASE_METHOD(Fixture, "certificates") {
  SECTION("no caBundle") {
    webhook(0)["clientConfig"].erase("caBundle");
    CHECK_THAT(complaint(), Catch::StartsWith("error: the configuration has no caBundle"));
  }
  SECTION("of another authority") {
    const std::string other = base64_encode(kube::make_authority("other").certificate);
    for (std::size_t i = 0; i < 2; ++i) webhook(i)["clientConfig"]["caBundle"] = other;
    facts.replicas.pop_back();
    CHECK_THAT(complaint(), Catch::StartsWith("error: the API server refuses the certificate of webhook-a"));
  }
  SECTION("about to expire") {
    facts.replicas[0].status = status(days(3));
    CHECK_THAT(complaint(), Catch::StartsWith("warning: the certificate of webhook-a expires in"));
  }
  SECTION("a new one is not usable") {
    facts.replicas[0].status["certificate"]["error"] = "no key";
    CHECK(complaint() == "error: webhook-a cannot use its new certificate: no key");
  }
  SECTION("an answer without one") {
    facts.replicas[0].status["certificate"] = Json::object();
    CHECK_THAT(complaint(), Catch::StartsWith("error: webhook-a: no PEM certificate"));
  }
}

TEST_CASE_METHOD(Fixture, "policies") {
  SECTION("the ConfigMap has an error") {
    facts.policies.reset();
    facts.policy_problem = "policy.yaml:3:1: unknown key";
    CHECK(complaint() == "error: the ConfigMap gpuinfer-policy: policy.yaml:3:1: unknown key");
  }
  SECTION("a replica goes on with older ones") {
    facts.replicas[0].status["policy"]["error"] = "policy.yaml:3:1: unknown key";
    CHECK_THAT(complaint(), Catch::StartsWith("error: webhook-a goes on with the last good documents"));
  }
  SECTION("the replicas differ") {
    facts.replicas[0].status["policy"]["hash"] = "2";
    CHECK(complaint() == "warning: the replicas use different documents");
  }
}

TEST_CASE_METHOD(Fixture, "injection") {
  SECTION("does not work") {
    facts.probe_problem = "pods come back unchanged";
    CHECK_THAT(complaint(), Catch::StartsWith("error: a pod that asks for injection does not get it"));
  }
  SECTION("was missed") {
    facts.pods_that_ask.push_back(pod("missed", Json::object()));
    CHECK(complaint() == "error: team/missed asked for injection and was admitted without it");
    facts.pods_that_ask.back()["status"]["phase"] = "Succeeded";
    CHECK(complaint().empty());
  }
  SECTION("was missed by many") {
    facts.pods_that_ask.assign(23, pod("missed", Json::object()));
    CHECK(examine(facts).size() == 6 + 20 + 1);
  }
}

TEST_CASE_METHOD(Fixture, "surroundings") {
  facts.other_configurations = {
      Json{{"metadata", {{"name", "a-first"}}}, {"webhooks", nullptr}},
      Json{{"metadata", {{"name", "zz-sidecars"}}},
           {"webhooks", {{{"rules", {{{"resources", {"*"}}, {"operations", {"CREATE"}}}}}}}}}};
  CHECK(complaint().empty());
  const Findings findings = examine(facts);
  CHECK(std::ranges::any_of(findings, [](const Finding& finding) {
    return finding.what.find("zz-sidecars is asked about pods after ours") != std::string::npos;
  }));
  facts.api_server_version = "v1.29.4-eks-1";
  CHECK_THAT(complaint(), Catch::StartsWith("error: the API server is v1.29.4"));
}

}  // namespace gpuinfer::plugin
