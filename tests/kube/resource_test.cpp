// Paths of objects and URLs.
#include "kube/resource.hpp"

#include "catch.hpp"
#include "kube/url.hpp"

namespace gpuinfer::kube {
namespace {

TEST_CASE("objects live where the API says") {
  CHECK(resource_path("v1", "Pod", "n", "p") == "/api/v1/namespaces/n/pods/p");
  CHECK(resource_path("v1", "Pod", "") == "/api/v1/pods");
  CHECK(resource_path("v1", "Namespace", "ignored", "n") == "/api/v1/namespaces/n");
  CHECK(resource_path("karpenter.sh/v1", "NodePool", "n", "gpu") == "/apis/karpenter.sh/v1/nodepools/gpu");
  CHECK(resource_path("policy/v1", "PodDisruptionBudget", "n", "b") ==
        "/apis/policy/v1/namespaces/n/poddisruptionbudgets/b");
  CHECK(resource_path("v1", "Pod", "n", "../secrets") == "/api/v1/namespaces/n/pods/..%2Fsecrets");
  CHECK_THROWS_AS(resource_path("v2", "Pod", "n"), Error);
}

TEST_CASE("objects have a name in messages") {
  CHECK(object_name({{"kind", "Pod"}, {"metadata", {{"name", "p"}}}}) == "Pod/p");
  CHECK(object_name({{"kind", 1}, {"metadata", Json::array()}}) == "object/?");
}

TEST_CASE("queries are encoded") {
  CHECK(with_query("/a", {}) == "/a");
  CHECK(with_query("/a", {{"x", ""}, {"labels", "a in (b,c)"}, {"y", "ü&="}}) ==
        "/a?labels=a%20in%20%28b%2Cc%29&y=%C3%BC%26%3D");
}

TEST_CASE("URLs are taken apart") {
  const Url url = parse_url("https://user:secret@Example.com:6443/k8s/clusters/c-1/", "server");
  CHECK(url.scheme == "https");
  CHECK(url.user_info == "user:secret");
  CHECK(url.host == "example.com");
  CHECK(url.port == 6443);
  CHECK(url.path == "/k8s/clusters/c-1");

  CHECK(parse_url("https://[2001:db8::1]:443", "server").host == "2001:db8::1");
  CHECK(parse_url("https://h", "server").port == 443);
  CHECK(parse_url("HTTP://h/", "server").port == 80);
}

TEST_CASE("what is no URL is refused") {
  const std::string bad =
      GENERATE("", "host:6443", "https://", "https://:6443", "https://h:", "https://h:70000", "https://h:0",
               "https://h:1x", "https://[::1", "https://[::1]x", "https://h?x", "https://a b/", "https://h/\r\nX: y");
  CAPTURE(bad);
  CHECK_THROWS_AS(parse_url(bad, "server"), Error);
}

TEST_CASE("the environment's proxy is for far servers only") {
  Environment environment;
  const auto proxy = [&](const std::string& server) { return environment_proxy(server, environment); };
  CHECK(proxy("https://example.com") == "");
  environment.https_proxy = "proxy.corp:3128";
  environment.no_proxy = " internal.corp, .example.org,10.0.0.1";
  CHECK(proxy("https://example.com") == "http://proxy.corp:3128");
  CHECK(proxy("https://127.0.0.1:6443") == "");
  CHECK(proxy("https://localhost:6443") == "");
  CHECK(proxy("https://[::1]:6443") == "");
  CHECK(proxy("http://example.com") == "");
  CHECK(proxy("https://api.internal.corp") == "");
  CHECK(proxy("https://internal.corp") == "");
  CHECK(proxy("https://notinternal.corp") == "http://proxy.corp:3128");
  CHECK(proxy("https://a.example.org") == "");
  CHECK(proxy("https://10.0.0.1") == "");
  environment.no_proxy = "*";
  CHECK(proxy("https://example.com") == "");
}

}  // namespace
}  // namespace gpuinfer::kube
