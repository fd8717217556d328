// Single turns against an API server of two objects.
#include "webhook/rotation/rotator.hpp"

#include <memory>

#include "base/base64.hpp"
#include "catch.hpp"
#include "tests/webhook/rotation/fake_cluster.hpp"
#include "webhook/rotation/ca_bundle.hpp"

namespace gpuinfer::webhook {
namespace {

using std::chrono::seconds;

struct Fixture {
  std::chrono::sys_seconds now{std::chrono::days(20000)};
  std::shared_ptr<FakeCluster> cluster = std::make_shared<FakeCluster>();
  std::vector<kube::KeyedCertificate> served;

  Rotator rotator() {
    RotationSettings settings;
    settings.dns_names = {"gpuinfer-webhook.test.svc"};
    return Rotator(kube::Client(cluster, "test"), {.namespace_name = "test"}, settings,
                   {.api_server = [this] { return now; }},
                   [this](const kube::KeyedCertificate& certificate) { served.push_back(certificate); });
  }

  static void turn_until_idle(Rotator& rotator) {
    for (int turns = 0; rotator.turn() == seconds(0); ++turns) REQUIRE(turns < 20);
  }
};

TEST_CASE_METHOD(Fixture, "an installation without certificates gets them, in one write each") {
  Rotator one = rotator();
  turn_until_idle(one);
  REQUIRE(served.size() == 1);
  const std::string bundle = read_ca_bundle(cluster->object(kConfigurationPath)).value();
  CHECK(kube::is_trusted(served[0].certificate, bundle, "gpuinfer-webhook.test.svc", now));
  CHECK(cluster->writes[kSecretPath] == 2);
  CHECK(cluster->writes[kConfigurationPath] == 1);
  CHECK(cluster->object(kSecretPath)["type"] == "kubernetes.io/tls");
  CHECK(cluster->object(kConfigurationPath)["webhooks"][0]["clientConfig"]["service"]["name"] == "x");

  Rotator another = rotator();
  turn_until_idle(another);
  CHECK(served.size() == 2);
  CHECK(served[0] == served[1]);
  CHECK(cluster->writes[kSecretPath] == 2);
}

TEST_CASE_METHOD(Fixture, "after years without any replica, the first one starts with a new certificate") {
  Rotator one = rotator();
  turn_until_idle(one);
  now += std::chrono::days(5000);
  Rotator another = rotator();
  turn_until_idle(another);
  REQUIRE(served.size() == 2);
  CHECK(served[0] != served[1]);
}

TEST_CASE_METHOD(Fixture, "where only one webhook's bundle was changed, all get the same again") {
  Rotator one = rotator();
  turn_until_idle(one);
  Json configuration = cluster->object(kConfigurationPath);
  const std::string stranger = kube::make_authority("stranger").certificate;
  configuration["webhooks"][0]["clientConfig"]["caBundle"] = base64_encode(stranger);
  cluster->store(kConfigurationPath, configuration);
  turn_until_idle(one);
  const std::string bundle = read_ca_bundle(cluster->object(kConfigurationPath)).value();
  CHECK(kube::is_trusted(served[0].certificate, bundle, "gpuinfer-webhook.test.svc", now));
}

TEST_CASE_METHOD(Fixture, "who comes too late reads again") {
  Rotator one = rotator();
  Rotator other = rotator();
  bool first = true;
  cluster->before_put = [&] {
    if (std::exchange(first, false)) turn_until_idle(other);
  };
  turn_until_idle(one);
  CHECK(cluster->writes[kSecretPath] == 2);
  CHECK(read_tls_secret(cluster->object(kSecretPath)).server == served.back());
}

TEST_CASE_METHOD(Fixture, "without a Secret there is nothing to serve, and nothing is made up") {
  cluster->erase(kSecretPath);
  Rotator one = rotator();
  CHECK_THROWS_WITH(one.turn(), Catch::Contains("no Secret test/gpuinfer-webhook-tls"));
  CHECK(cluster->writes.empty());
}

TEST_CASE_METHOD(Fixture, "without a configuration, only the Secret is written") {
  cluster->erase(kConfigurationPath);
  Rotator one = rotator();
  turn_until_idle(one);
  CHECK(served.size() == 1);
  CHECK(cluster->writes[kConfigurationPath] == 0);
}

TEST_CASE("a Secret is read with whatever it holds, and written without losing what is not ours") {
  const Json secret = {{"data", {{"tls.crt", "!"}, {"other", "eA=="}, {"ca.crt", 7}}}, {"type", "Opaque"}};
  CHECK(read_tls_secret(secret) == TlsSecret{});
  CHECK(read_tls_secret({{"data", nullptr}}) == TlsSecret{});
  CHECK(read_tls_secret(Json()) == TlsSecret{});
  TlsSecret state;
  state.authority = {"certificate", "key"};
  state.retired = "old";
  const Json written = with_tls_secret(secret, state);
  CHECK(written["data"]["other"] == "eA==");
  CHECK(written["type"] == "Opaque");
  CHECK(written["data"]["tls.crt"] == "");
  CHECK_FALSE(written["data"].contains("next-ca.crt"));
  CHECK(read_tls_secret(written) == state);
}

TEST_CASE("webhooks with different bundles have none in common") {
  const auto webhook = [](const std::string& bundle) {
    return Json{{"clientConfig", {{"caBundle", base64_encode(bundle)}}}};
  };
  CHECK(read_ca_bundle({{"webhooks", {webhook("a"), webhook("a")}}}) == "a");
  CHECK(read_ca_bundle({{"webhooks", {webhook("a"), webhook("b")}}}) == "");
  CHECK(read_ca_bundle({{"webhooks", Json::array()}}) == std::nullopt);
  CHECK(read_ca_bundle(Json::object()) == std::nullopt);
  const Json changed = with_ca_bundle({{"webhooks", {webhook("a"), webhook("b")}}}, "c");
  CHECK(read_ca_bundle(changed) == "c");
}

}  // namespace
}  // namespace gpuinfer::webhook
