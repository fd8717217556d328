// What users read when the API server refuses.
#include "kube/api_error.hpp"

#include <random>

#include "catch.hpp"

namespace gpuinfer::kube {
namespace {

ApiError error_for(const std::string& method, const std::string& path, int status, const std::string& body) {
  HttpRequest request;
  request.method = method;
  request.path = path;
  HttpResponse response;
  response.status = status;
  response.body = body;
  return api_error(request, response);
}

std::string forbidden(const std::string& message) {
  return Json{{"kind", "Status"}, {"code", 403}, {"reason", "Forbidden"}, {"message", message}}.dump();
}

TEST_CASE("an error holds the server's own words") {
  const ApiError error = error_for(
      "PATCH", "/apis/apps/v1/namespaces/models/deployments/m?fieldManager=x", 422,
      R"({"kind": "Status", "code": 422, "reason": "Invalid", "message": "Deployment.apps \"m\" is invalid: spec.replicas"})");
  CHECK(error.code() == 422);
  CHECK(error.reason() == "Invalid");
  CHECK(error.status()["code"] == 422);
  CHECK(std::string(error.what()) ==
        "the API server answered 422 to PATCH /apis/apps/v1/namespaces/models/deployments/m: Deployment.apps \"m\" is "
        "invalid: spec.replicas");
}

TEST_CASE("a missing permission is named as RBAC names it") {
  const std::string body = forbidden("x is forbidden: User \"u\" cannot do that");
  const auto remedy = [&](const std::string& method, const std::string& path) {
    return error_for(method, path, 403, body).remedy();
  };
  CHECK(remedy("PATCH", "/apis/apps/v1/namespaces/models/deployments/m?force=true") ==
        "ask the cluster's administrator for the verb 'patch' on 'deployments.apps'; `kubectl auth can-i patch "
        "deployments.apps -n models` tells when you have it");
  CHECK_THAT(remedy("GET", "/api/v1/namespaces/models/pods?limit=500"), Catch::Contains("can-i list pods -n models`"));
  CHECK_THAT(remedy("GET", "/api/v1/pods?watch=true"), Catch::Contains("can-i watch pods`"));
  CHECK_THAT(remedy("GET", "/api/v1/namespaces/models/pods/p/log"),
             Catch::Contains("can-i get pods --subresource=log -n models`"));
  CHECK_THAT(remedy("POST", "/api/v1/namespaces/models/services/m:http/proxy/v1/models"),
             Catch::Contains("can-i create services --subresource=proxy -n models`"));
  CHECK_THAT(remedy("GET", "/api/v1/namespaces/models"), Catch::Contains("can-i get namespaces`"));
  CHECK_THAT(remedy("DELETE", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/w"),
             Catch::Contains("can-i delete mutatingwebhookconfigurations.admissionregistration.k8s.io`"));
}

TEST_CASE("a refusal by an admission rule is no missing permission") {
  const ApiError error = error_for("POST", "/api/v1/namespaces/models/pods", 403,
                                   forbidden("pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\""));
  CHECK_THAT(error.remedy(), Catch::Contains("admission rule"));
}

TEST_CASE("each kind of refusal has its remedy") {
  const auto remedy = [](int status, const std::string& reason, const std::string& message, const std::string& method) {
    const Json body = {{"kind", "Status"}, {"reason", reason}, {"message", message}};
    return error_for(method, "/apis/karpenter.sh/v1/nodepools/gpu", status, body.dump()).remedy();
  };
  CHECK_THAT(remedy(401, "Unauthorized", "Unauthorized", "GET"), Catch::Contains("log in again"));
  CHECK_THAT(remedy(404, "NotFound", "the server could not find the requested resource", "PATCH"),
             Catch::Contains("does not know 'nodepools.karpenter.sh'"));
  CHECK_THAT(error_for("PATCH", "/apis/karpenter.sh/v1/nodepools/gpu", 404, "404 page not found\n").remedy(),
             Catch::Contains("does not know 'nodepools.karpenter.sh'"));
  CHECK_THAT(remedy(503, "ServiceUnavailable", "error trying to reach service: connection refused", "GET"),
             Catch::Contains("the pod does not answer"));
  CHECK_THAT(remedy(409, "AlreadyExists", "exists", "POST"), Catch::Contains("delete it first"));
  CHECK_THAT(remedy(409, "Conflict", "conflict with \"helm\"", "PATCH"), Catch::Contains("--force takes them over"));
  CHECK_THAT(remedy(429, "TooManyRequests", "", "GET"), Catch::Contains("try again later"));
  CHECK_THAT(remedy(500, "InternalError", "", "GET"), Catch::Contains("readyz"));
}

TEST_CASE("an answer that is no Status is quoted, cut and on one line") {
  const ApiError error = error_for("GET", "/api", 502, "bad\r\ngateway" + std::string(1000, 'x') + "\n");
  CHECK(error.status().is_null());
  CHECK_THAT(error.what(), Catch::Contains("502 to GET /api: bad  gatewayxxx"));
  CHECK(std::string(error.what()).size() < 400);
}

TEST_CASE("no answer and no path is too strange") {
  std::mt19937 random(7);
  const std::string body = forbidden("x is forbidden: User \"u\" cannot do that");
  const std::string path = "/apis/apps/v1/namespaces/models/deployments/m/scale?x=y";
  for (int round = 0; round < 3000; ++round) {
    std::string strange_body = body;
    std::string strange_path = path.substr(0, random() % (path.size() + 1));
    for (std::string* text : {&strange_body, &strange_path}) {
      if (!text->empty()) (*text)[random() % text->size()] = static_cast<char>(random());
    }
    strange_body.resize(random() % (body.size() + 1));
    CHECK_FALSE(std::string(error_for("GET", strange_path, 100 + static_cast<int>(random() % 500), strange_body).what())
                    .empty());
  }
}

}  // namespace
}  // namespace gpuinfer::kube
