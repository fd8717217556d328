// A user's own certificate: what it must be like.
#include "plugin/webhook_installation.hpp"

#include <memory>

#include "base/base64.hpp"
#include "catch.hpp"
#include "kube/certificate.hpp"
#include "kube/fake_transport.hpp"

namespace gpuinfer::plugin {

namespace {

/// The caBundle that comes of a Secret with these entries.
std::string bundle_of(const Json& entries) {
  const auto transport = std::make_shared<kube::FakeTransport>();
  Json data = Json::object();
  for (const auto& [key, value] : entries.items()) data[key] = base64_encode(value.get<std::string>());
  transport->answer(200, {{"data", data}});
  kube::Client client(transport, "default");
  manifests::WebhookInstall install;
  install.secret = "mine";
  read_user_certificate(install, client);
  CHECK(transport->requests().at(0).path == "/api/v1/namespaces/gpuinfer-system/secrets/mine");
  return install.ca_bundle;
}

}  // namespace

TEST_CASE("a certificate that the API server would accept") {
  const auto authority = kube::make_authority("mine");
  const auto server = kube::make_server_certificate(authority, {manifests::kWebhookDnsName});
  const Json good = {{"ca.crt", authority.certificate}, {"tls.crt", server.certificate}, {"tls.key", server.key}};
  CHECK(bundle_of(good) == authority.certificate);

  SECTION("entries are missing") {
    for (const char* key : {"ca.crt", "tls.crt", "tls.key"}) {
      Json entries = good;
      entries.erase(key);
      CHECK_THROWS_WITH(bundle_of(entries), Catch::Contains("has no " + std::string(key)));
    }
  }
  SECTION("the key is another's") {
    Json entries = good;
    entries["tls.key"] = authority.key;
    CHECK_THROWS_WITH(bundle_of(entries), Catch::Contains("do not belong together"));
  }
  SECTION("it would be refused") {
    const auto wrong_name = kube::make_server_certificate(authority, {"gpuinfer-webhook"});
    const auto expired =
        kube::make_server_certificate(authority, {manifests::kWebhookDnsName}, -std::chrono::minutes(5));
    for (const auto& pair : {wrong_name, expired}) {
      const Json entries = {{"ca.crt", authority.certificate}, {"tls.crt", pair.certificate}, {"tls.key", pair.key}};
      CHECK_THROWS_WITH(bundle_of(entries), Catch::Contains("would refuse"));
    }
    Json entries = good;
    entries["ca.crt"] = kube::make_authority("another").certificate;
    CHECK_THROWS_WITH(bundle_of(entries), Catch::Contains("would refuse"));
  }
}

TEST_CASE("a Secret that does not exist") {
  const auto transport = std::make_shared<kube::FakeTransport>();
  transport->answer(404, {{"kind", "Status"}, {"code", 404}, {"reason", "NotFound"}});
  kube::Client client(transport, "default");
  manifests::WebhookInstall install;
  install.secret = "mine";
  CHECK_THROWS_WITH(read_user_certificate(install, client), "there is no Secret gpuinfer-system/mine");
}

}  // namespace gpuinfer::plugin
