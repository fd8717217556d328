// The client's requests, and what it makes of the answers.
#include "kube/client.hpp"

#include <memory>

#include "catch.hpp"
#include "kube/fake_transport.hpp"

namespace gpuinfer::kube {
namespace {

const Json kDeployment = {
    {"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"metadata", {{"name", "m"}, {"namespace", "models"}}}};

struct Fixture {
  std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>();
  Client client{transport, "default"};

  const HttpRequest& last() const { return transport->requests().back(); }
};

TEST_CASE_METHOD(Fixture, "apply is a server-side apply") {
  transport->answer(201, kDeployment);
  const Applied applied = client.apply(kDeployment);
  CHECK(applied.created);
  CHECK(applied.object == kDeployment);
  CHECK(last().method == "PATCH");
  CHECK(last().path == "/apis/apps/v1/namespaces/models/deployments/m?fieldManager=kubectl-gpuinfer");
  CHECK(last().content_type == "application/apply-patch+yaml");
  CHECK(Json::parse(last().body) == kDeployment);

  transport->answer(200, kDeployment);
  CHECK_FALSE(client.apply(kDeployment, {.dry_run = true, .force = true}).created);
  CHECK(last().path ==
        "/apis/apps/v1/namespaces/models/deployments/m?fieldManager=kubectl-gpuinfer&dryRun=All&force=true");
}

TEST_CASE_METHOD(Fixture, "what is replaced says which version it was made from, and whose it is") {
  Json read = kDeployment;
  read["metadata"]["resourceVersion"] = "7";
  transport->answer(200, read);
  client.replace(read, {.field_manager = "someone"});
  CHECK(last().method == "PUT");
  CHECK(last().path == "/apis/apps/v1/namespaces/models/deployments/m?fieldManager=someone");
  CHECK(Json::parse(last().body) == read);

  transport->answer(409, Json{{"kind", "Status"}, {"reason", "Conflict"}, {"code", 409}, {"message", "changed"}});
  CHECK_THROWS_AS(client.replace(read), ApiError);
}

TEST_CASE_METHOD(Fixture, "an object without a namespace goes to that of the context") {
  transport->answer(201, Json::object());
  client.create({{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", {{"generateName", "p-"}}}});
  CHECK(last().method == "POST");
  CHECK(last().path == "/api/v1/namespaces/default/pods?fieldManager=kubectl-gpuinfer");
  CHECK(client.path_of({{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", "n"}}}}) ==
        "/api/v1/namespaces/n");
}

TEST_CASE_METHOD(Fixture, "a kind that is not in the table is looked up") {
  const Json queue = {{"apiVersion", "kueue.x-k8s.io/v1beta1"}, {"kind", "LocalQueue"}, {"metadata", {{"name", "q"}}}};
  const Json resources = {{{"name", "localqueues/status"}, {"kind", "LocalQueue"}, {"namespaced", true}},
                          {{"name", "localqueues"}, {"kind", "LocalQueue"}, {"namespaced", true}}};
  transport->answer(200, Json{{"kind", "APIResourceList"}, {"resources", resources}});
  CHECK(client.path_of(queue) == "/apis/kueue.x-k8s.io/v1beta1/namespaces/default/localqueues/q");
  CHECK(last().path == "/apis/kueue.x-k8s.io/v1beta1");

  transport->answer_text(404, "404 page not found");
  CHECK_THROWS_WITH(client.path_of(queue), Catch::Contains("knows no LocalQueue"));
}

TEST_CASE_METHOD(Fixture, "objects without apiVersion, kind or name are refused") {
  CHECK_THROWS_AS(client.path_of(Json::object()), Error);
  CHECK_THROWS_AS(client.path_of({{"apiVersion", 1}, {"kind", Json::array()}}), Error);
  CHECK_THROWS_AS(client.path_of({{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", "text"}}), Error);
  CHECK(transport->requests().empty());
}

TEST_CASE_METHOD(Fixture, "find and remove take a missing object calmly, get does not") {
  transport->answer_text(404, "");
  CHECK_FALSE(client.find("/api/v1/namespaces/x").has_value());
  transport->answer_text(404, "");
  CHECK_FALSE(client.remove("/api/v1/namespaces/x"));
  transport->answer_text(404, "");
  CHECK_THROWS_AS(client.get("/api/v1/namespaces/x"), ApiError);
}

TEST_CASE_METHOD(Fixture, "remove asks for the dependents too") {
  transport->answer(200, Json{{"kind", "Status"}, {"status", "Success"}});
  CHECK(client.remove("/apis/apps/v1/namespaces/models/deployments/m", {.dry_run = true, .propagation = "Foreground"}));
  CHECK(last().method == "DELETE");
  CHECK(last().path == "/apis/apps/v1/namespaces/models/deployments/m?dryRun=All");
  CHECK(Json::parse(last().body)["propagationPolicy"] == "Foreground");
}

TEST_CASE_METHOD(Fixture, "a list is put together from its pages") {
  transport->answer(200, Json{{"metadata", {{"resourceVersion", "7"}, {"continue", "token=="}}}, {"items", {1, 2}}});
  transport->answer(200, Json{{"metadata", {{"resourceVersion", "7"}}}, {"items", {3}}});
  CHECK(client.list("/api/v1/pods", {.labels = "", .fields = "spec.nodeName=n"})["items"] == Json({1, 2, 3}));
  CHECK(last().path == "/api/v1/pods?fieldSelector=spec.nodeName%3Dn&limit=500&continue=token%3D%3D");
}

TEST_CASE_METHOD(Fixture, "a list whose pages have expired is taken in one piece") {
  transport->answer(200, Json{{"metadata", {{"continue", "old"}}}, {"items", {1, 2}}});
  transport->answer(410, Json{{"kind", "Status"}, {"code", 410}, {"reason", "Expired"}});
  transport->answer(200, Json{{"metadata", Json::object()}, {"items", {1, 2, 3}}});
  CHECK(client.list("/api/v1/pods")["items"] == Json({1, 2, 3}));
  CHECK(last().path == "/api/v1/pods");
}

TEST_CASE_METHOD(Fixture, "the objects of a list say what they are") {
  transport->answer(200, Json{{"apiVersion", "v1"}, {"kind", "PodList"}, {"items", {{{"metadata", {{"name", "p"}}}}}}});
  const Json pod = client.list("/api/v1/pods")["items"][0];
  CHECK(object_name(pod) == "Pod/p");
  CHECK(pod["apiVersion"] == "v1");
}

TEST_CASE_METHOD(Fixture, "a list of nothing has items") {
  transport->answer(200, Json{{"metadata", Json::object()}, {"items", nullptr}});
  CHECK(client.list("/api/v1/pods")["items"] == Json::array());
}

TEST_CASE_METHOD(Fixture, "an answer that is no JSON names the request") {
  transport->answer_text(200, "<html>log in</html>");
  CHECK_THROWS_WITH(client.get("/api/v1/pods"), Catch::Contains("GET /api/v1/pods"));
}

TEST_CASE_METHOD(Fixture, "logs are streamed") {
  transport->stream({"one\ntw", "o\n"});
  std::string text;
  client.logs("models", "m-1", {.container = "server", .follow = true, .tail_lines = 10, .since_seconds = {}},
              [&](std::string_view piece) {
                text += piece;
                return true;
              });
  CHECK(text == "one\ntwo\n");
  CHECK(last().path == "/api/v1/namespaces/models/pods/m-1/log?container=server&follow=true&tailLines=10");
  CHECK(last().timeout == std::chrono::seconds(0));
}

TEST_CASE_METHOD(Fixture, "a service is reached through the proxy of the API server") {
  const ServicePort service = {"models", "m", "http"};
  HttpRequest request;
  request.method = "POST";
  request.path = "/v1/chat/completions";
  request.body = "{}";

  transport->stream({"data: 1\n\n", "data: 2\n\n"});
  std::vector<std::string> pieces;
  client.proxy(service, request, [&](std::string_view piece) {
    pieces.emplace_back(piece);
    return true;
  });
  CHECK(pieces == std::vector<std::string>{"data: 1\n\n", "data: 2\n\n"});
  CHECK(last().path == "/api/v1/namespaces/models/services/m:http/proxy/v1/chat/completions");
  CHECK(last().method == "POST");

  SECTION("the service's own errors come back") {
    transport->answer(400, Json{{"error", {{"message", "prompt too long"}}}});
    const HttpResponse response = client.proxy(service, request);
    CHECK(response.status == 400);
    CHECK(response.body.find("prompt too long") != std::string::npos);
  }
  SECTION("those of the API server are thrown") {
    transport->answer(503, Json{{"kind", "Status"}, {"message", "no endpoints available for service \"m\""}});
    try {
      client.proxy(service, request);
      FAIL("nothing was thrown");
    } catch (const ApiError& error) {
      CHECK(error.code() == 503);
      CHECK(error.remedy().find("no pod of the service is ready") != std::string::npos);
    }
  }
}

}  // namespace
}  // namespace gpuinfer::kube
