// Certificates of the webhook across installations.
#include "plugin/webhook_installation.hpp"

#include "base/base64.hpp"
#include "catch.hpp"
#include "kube/certificate.hpp"

namespace gpuinfer::plugin {

namespace {

Json secret_of(const std::string& authorities, const std::string& certificate, const std::string& key) {
  return {{"data",
           {{"ca.crt", base64_encode(authorities)},
            {"tls.crt", base64_encode(certificate)},
            {"tls.key", base64_encode(key)}}}};
}

}  // namespace

TEST_CASE("a first installation gets a certificate that its authority vouches for") {
  manifests::WebhookInstall install;
  CHECK(fill_in_certificates(install, Json()));
  CHECK(kube::is_trusted(install.certificate, install.authorities, manifests::kWebhookDnsName));
  CHECK_FALSE(install.key.empty());
}

TEST_CASE("a second installation keeps the certificate") {
  manifests::WebhookInstall first;
  fill_in_certificates(first, Json());
  manifests::WebhookInstall second;
  CHECK_FALSE(fill_in_certificates(second, secret_of(first.authorities, first.certificate, first.key)));
  CHECK(second.certificate == first.certificate);
  CHECK(second.key == first.key);
  CHECK(second.authorities == first.authorities);
}

TEST_CASE("a certificate near its end is replaced, and the old authority stays trusted meanwhile") {
  const auto authority = kube::make_authority("old");
  const auto server = kube::make_server_certificate(authority, {manifests::kWebhookDnsName}, 20);
  manifests::WebhookInstall install;
  CHECK(fill_in_certificates(install, secret_of(authority.certificate, server.certificate, server.key)));
  CHECK(kube::is_trusted(install.certificate, install.authorities, manifests::kWebhookDnsName));
  CHECK(kube::is_trusted(server.certificate, install.authorities, manifests::kWebhookDnsName));
}

TEST_CASE("a damaged Secret is replaced") {
  manifests::WebhookInstall install;
  CHECK(fill_in_certificates(install, secret_of("x", "y", "z")));
  CHECK(fill_in_certificates(install, {{"data", {{"tls.crt", "!"}}}}));
  CHECK(kube::is_trusted(install.certificate, install.authorities, manifests::kWebhookDnsName));
}

}  // namespace gpuinfer::plugin
