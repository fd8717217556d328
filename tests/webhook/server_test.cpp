// webhook/server: real TLS on the loopback interface, files that change under it, and callers that misbehave.
#include "webhook/server.hpp"

#include <httplib.h>

#include <atomic>
#include <thread>

#include "base/file.hpp"
#include "catch.hpp"
#include "temporary_folder.hpp"
#include "tests/webhook/review_of.hpp"
#include "tests/webhook/scratch.hpp"
#include "webhook/certificate_files.hpp"

using namespace gpuinfer;
using namespace gpuinfer::webhook;

namespace {

const std::string kPolicyHead = "apiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: test}\n";

/// A running webhook, its authority, and ways to talk to it.
struct Fixture {
  TemporaryFolder folder;
  kube::KeyedCertificate authority = kube::make_authority("test authority");
  std::unique_ptr<Server> server;
  std::unique_ptr<CertificateFiles> certificate;

  explicit Fixture(std::vector<std::filesystem::path> policies = {}) {
    mount_secret(folder.path(), kube::make_server_certificate(authority, {"localhost"}));
    ServerOptions options = scratch_options();
    for (const std::filesystem::path& policy : policies) {
      options.policies.push_back(folder.path() / policy);
      if (policy.extension() == ".yaml") write_file(options.policies.back(), kPolicyHead);
    }
    certificate = std::make_unique<CertificateFiles>(folder.path() / "tls.crt", folder.path() / "tls.key",
                                                     options.reload_interval);
    server = std::make_unique<Server>(options, certificate->certificate());
    certificate->keep_current(*server);
  }
  ~Fixture() { certificate.reset(); }  // it talks to the server

  /// A client that trusts `authority` and nobody else.
  std::unique_ptr<httplib::SSLClient> client(const kube::KeyedCertificate& trusted) const {
    const std::filesystem::path file = folder.path() / "ca.crt";
    write_file(file, trusted.certificate);
    auto https = std::make_unique<httplib::SSLClient>("localhost", server->port());
    https->set_ca_cert_path(file.c_str());
    https->set_keep_alive(true);
    return https;
  }

  httplib::Result post(const std::string& body, const std::string& content_type = "application/json") const {
    return client(authority)->Post("/mutate", body, content_type);
  }

  std::string get(const std::string& path) const {
    httplib::Client http("localhost", server->metrics_port());
    const httplib::Result result = http.Get(path);
    return result ? std::to_string(result->status) + " " + result->body : "no answer";
  }

  Json status() const { return Json::parse(get("/status").substr(4)); }

  bool metrics_contain(const std::string& line) const { return get("/metrics").find(line) != std::string::npos; }
};

std::string patch_of(const httplib::Result& result) {
  return Json::parse(result->body)["response"].value("patch", "no patch");
}

}  // namespace

TEST_CASE("a review over TLS is answered, counted, and the connection kept") {
  const Fixture fixture;
  const auto client = fixture.client(fixture.authority);
  for (int i = 0; i < 10; ++i) {
    const httplib::Result result =
        client->Post("/mutate", review_of(gpu_pod()).dump(), "application/json; charset=utf-8");
    REQUIRE(result);
    CHECK(result->status == 200);
    CHECK(result->get_header_value("Content-Type") == "application/json");
    CHECK(Json::parse(result->body)["response"]["allowed"] == true);
    CHECK(client->is_socket_open());
  }
  CHECK(fixture.metrics_contain(R"(gpuinfer_webhook_reviews_total{kind="Pod",outcome="injected"} 10)"));
  CHECK(fixture.metrics_contain(R"(gpuinfer_webhook_policy_actions_total{policy="gpu_toleration"} 10)"));
  CHECK(fixture.metrics_contain("gpuinfer_webhook_review_duration_seconds_count 10"));
  CHECK(fixture.metrics_contain("gpuinfer_webhook_certificate_expiry_timestamp_seconds 1"));
  CHECK(fixture.metrics_contain("gpuinfer_webhook_connections 1"));
  CHECK(fixture.get("/healthz") == "200 ok\n");
  CHECK(fixture.get("/readyz") == "200 ok\n");
}

TEST_CASE("requests that are no reviews get a 4xx with a reason") {
  const Fixture fixture;
  CHECK(fixture.post("{").value().status == 400);
  CHECK(fixture.post("{").value().body == R"({"error":"the body is not JSON: byte 2"})");
  CHECK(fixture.post(review_of(gpu_pod()).dump(), "application/yaml").value().status == 415);
  CHECK(fixture.post(review_of(gpu_pod()).dump(), "application/jsonx").value().status == 415);
  const httplib::Result wrong_method = fixture.client(fixture.authority)->Get("/mutate");
  CHECK(wrong_method.value().status == 405);
  CHECK(wrong_method->get_header_value("Allow") == "POST");
  CHECK(fixture.client(fixture.authority)->Post("/other", "{}", "application/json").value().status == 404);
  CHECK(fixture.metrics_contain(R"(gpuinfer_webhook_bad_requests_total{reason="malformed"} 2)"));
  CHECK(fixture.post(review_of(gpu_pod()).dump()).value().status == 200);
}

TEST_CASE("a new certificate is used for new connections while requests go on") {
  Fixture fixture;
  const kube::KeyedCertificate next = kube::make_authority("next authority");
  std::atomic<bool> is_running = true;
  std::atomic<int> answered = 0;
  std::atomic<int> failed = 0;
  const auto old_connection = fixture.client(fixture.authority);
  REQUIRE(old_connection->Post("/mutate", review_of(gpu_pod()).dump(), "application/json"));
  std::thread load([&] {
    while (is_running) {
      const bool is_answered(old_connection->Post("/mutate", review_of(gpu_pod()).dump(), "application/json"));
      ++(is_answered ? answered : failed);
    }
  });
  mount_secret(fixture.folder.path(), kube::make_server_certificate(next, {"localhost"}));
  const bool is_new = eventually(
      [&] { return bool(fixture.client(next)->Post("/mutate", review_of(gpu_pod()).dump(), "application/json")); });
  is_running = false;
  load.join();
  CHECK(is_new);
  CHECK(answered > 0);
  CHECK(failed == 0);
  CHECK(fixture.metrics_contain(R"(gpuinfer_webhook_certificate_reloads_total{result="success"} 1)"));
}

TEST_CASE("a pair that does not fit leaves the old one in place") {
  Fixture fixture;
  const kube::KeyedCertificate one = kube::make_server_certificate(fixture.authority, {"localhost"});
  const kube::KeyedCertificate two = kube::make_server_certificate(fixture.authority, {"localhost"});
  const kube::KeyedCertificate expired =
      kube::make_server_certificate(fixture.authority, {"localhost"}, -std::chrono::days(1));
  int failures = 0;
  for (const kube::KeyedCertificate& bad :
       {kube::KeyedCertificate{one.certificate, two.key}, kube::KeyedCertificate{"", ""},
        kube::KeyedCertificate{one.certificate.substr(0, 200), one.key}, expired}) {
    mount_secret(fixture.folder.path(), bad);
    ++failures;
    CHECK(eventually([&] {
      return fixture.metrics_contain("gpuinfer_webhook_certificate_reloads_total{result=\"failure\"} " +
                                     std::to_string(failures));
    }));
    CHECK(fixture.post(review_of(gpu_pod()).dump()).value().status == 200);
  }
  CHECK(fixture.get("/readyz") == "200 ok\n");
  CHECK(fixture.metrics_contain("gpuinfer_webhook_certificate_stale 1"));
  CHECK(fixture.status()["certificate"]["error"] == "the certificate has expired");

  mount_secret(fixture.folder.path(), one);
  CHECK(eventually([&] { return fixture.metrics_contain("gpuinfer_webhook_certificate_stale 0"); }));
}

TEST_CASE("a changed policy document counts, a wrong one does not") {
  const Fixture fixture({"policy.yaml"});
  const std::string injected = patch_of(fixture.post(review_of(gpu_pod()).dump()));
  const std::string first_hash = fixture.status()["policy"]["hash"];
  write_file(fixture.folder.path() / "policy.yaml", kPolicyHead + "spec: {gpuToleration: {enabled: false}}\n");
  CHECK(eventually([&] { return patch_of(fixture.post(review_of(gpu_pod()).dump())) != injected; }));
  CHECK(eventually([&] { return fixture.status()["policy"]["generation"] == 2; }));
  const Json status = fixture.status()["policy"];
  CHECK(status["hash"] != first_hash);
  CHECK(status["documents"] == Json::array({"test"}));
  CHECK(fixture.metrics_contain("gpuinfer_webhook_policy_info{hash=\"" + status["hash"].get<std::string>() + "\"} 1"));
  CHECK_FALSE(fixture.metrics_contain(first_hash));

  const std::string without = patch_of(fixture.post(review_of(gpu_pod()).dump()));
  write_file(fixture.folder.path() / "policy.yaml", kPolicyHead + "spec: {gpuTolerations: {}}\n");
  CHECK(eventually([&] { return fixture.metrics_contain("gpuinfer_webhook_policy_stale 1"); }));
  CHECK(fixture.metrics_contain(R"(gpuinfer_webhook_policy_reloads_total{result="failure"} 1)"));
  CHECK(eventually([&] {
    const std::string error = fixture.status()["policy"]["error"];
    return error.find("spec.gpuTolerations is an unknown key") != std::string::npos;
  }));
  CHECK(fixture.status()["policy"]["generation"] == 2);
  CHECK(patch_of(fixture.post(review_of(gpu_pod()).dump())) == without);
  CHECK(fixture.get("/readyz") == "200 ok\n");

  std::filesystem::remove(fixture.folder.path() / "policy.yaml");
  CHECK(patch_of(fixture.post(review_of(gpu_pod()).dump())) == without);

  write_file(fixture.folder.path() / "policy.yaml", kPolicyHead);
  CHECK(eventually([&] { return fixture.metrics_contain("gpuinfer_webhook_policy_stale 0"); }));
  CHECK(patch_of(fixture.post(review_of(gpu_pod()).dump())) == injected);
}

TEST_CASE("a folder stands for its documents by name, and files can come and go") {
  TemporaryFolder policies;
  const auto document = [](const std::string& name) {
    return "apiVersion: gpuinfer.dev/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: " + name + "}\n";
  };
  write_file(policies.path() / "b.yaml", document("second"));
  write_file(policies.path() / "a.yaml", document("first"));
  write_file(policies.path() / "README.md", "no document");
  const Fixture fixture({"last.yaml", policies.path()});
  CHECK(fixture.status()["policy"]["documents"] == Json::array({"test", "first", "second"}));

  write_file(policies.path() / "c.yaml", document("third"));
  CHECK(eventually([&] {
    return fixture.status()["policy"]["documents"] == Json::array({"test", "first", "second", "third"});
  }));
}

TEST_CASE("many connections at once are all served") {
  const Fixture fixture;
  const auto shared = fixture.client(fixture.authority);  // writes the CA file before the threads read it
  std::atomic<int> answered = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      httplib::SSLClient client("localhost", fixture.server->port());
      client.set_ca_cert_path((fixture.folder.path() / "ca.crt").c_str());
      for (int j = 0; j < 5; ++j) {
        if (client.Post("/mutate", review_of(gpu_pod()).dump(), "application/json")) ++answered;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(answered == 80);
}

TEST_CASE("a server that cannot start says why") {
  TemporaryFolder folder;
  ServerOptions options = scratch_options();
  const auto chain = folder.path() / "tls.crt";
  const auto key = folder.path() / "tls.key";
  const auto files = [&] { return CertificateFiles(chain, key, options.reload_interval).certificate(); };
  CHECK_THROWS_WITH(files(), Catch::Contains("tls.crt: No such file"));

  write_file(chain, "nonsense");
  write_file(key, "nonsense");
  CHECK_THROWS_WITH(files(), Catch::Contains("no PEM certificate"));

  const kube::KeyedCertificate pair = kube::make_server_certificate(kube::make_authority("a"), {"localhost"});
  const Certificate certificate(pair.certificate, pair.key);
  options.policies = {folder.path() / "policy.yaml"};
  CHECK_THROWS_WITH(Server(options, certificate), Catch::Contains("policy.yaml: No such file"));
  write_file(options.policies.front(), "kind: Pod\n");
  CHECK_THROWS_WITH(Server(options, certificate), Catch::Contains("policy.yaml:1:7: kind must be InjectionPolicy"));

  options.policies.clear();
  const Server first(options, certificate);
  options.port = first.port();
  CHECK_THROWS_WITH(Server(options, certificate), Catch::Contains("cannot listen on port"));
}
