// The webhook's certificates: what a Kubernetes API server demands of them, and the change from one authority to the
// next.
#include "kube/certificate.hpp"

#include <random>

#include "catch.hpp"

namespace gpuinfer::kube {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::system_clock;

const std::string kName = "gpuinfer-webhook.gpuinfer-system.svc";

TEST_CASE("an authority signs a server certificate that its clients accept") {
  const KeyedCertificate authority = make_authority("gpuinfer-webhook-ca");
  const KeyedCertificate server = make_server_certificate(authority, {kName, "localhost"});
  CHECK(is_trusted(server.certificate, authority.certificate, kName));
  CHECK(is_trusted(server.certificate, authority.certificate, "localhost"));
  CHECK_FALSE(is_trusted(server.certificate, authority.certificate, "gpuinfer-webhook"));
  CHECK_FALSE(is_trusted(server.certificate, make_authority("gpuinfer-webhook-ca").certificate, kName));
  CHECK_FALSE(is_trusted(server.certificate, authority.certificate, kName, system_clock::now() + hours(24 * 366)));
  CHECK_FALSE(is_trusted(server.certificate, authority.certificate, kName, system_clock::now() - hours(2)));
  CHECK_FALSE(is_trusted(server.certificate, server.certificate, "elsewhere"));
}

TEST_CASE("a certificate says what it is") {
  const KeyedCertificate authority = make_authority("ca", days(10));
  const KeyedCertificate server = make_server_certificate(authority, {kName, "localhost"});
  const CertificateFacts root = inspect_certificates(authority.certificate).front();
  const CertificateFacts leaf = inspect_certificates(server.certificate).front();
  CHECK(root.is_authority);
  CHECK(root.is_self_signed);
  CHECK(root.subject == "ca");
  CHECK(root.issuer == "ca");
  CHECK_FALSE(leaf.is_authority);
  CHECK_FALSE(leaf.is_self_signed);
  CHECK(leaf.subject == kName);
  CHECK(leaf.issuer == "ca");
  CHECK(leaf.dns_names == std::vector<std::string>{kName, "localhost"});
  CHECK(leaf.not_after == root.not_after);  // asked for a year, cut to the authority's ten days
  CHECK(leaf.not_before < std::chrono::floor<std::chrono::seconds>(system_clock::now()));
  CHECK(leaf.fingerprint.size() == 64);
  CHECK(leaf.fingerprint != root.fingerprint);
}

TEST_CASE("a certificate lives from the time that it is told, by another's clock") {
  const auto then = system_clock::now() + hours(5000);
  const KeyedCertificate authority = make_authority("ca", std::chrono::seconds(90), then);
  const KeyedCertificate server = make_server_certificate(authority, {kName}, std::chrono::seconds(30), then);
  CHECK(is_trusted(server.certificate, authority.certificate, kName, then + std::chrono::seconds(29)));
  CHECK_FALSE(is_trusted(server.certificate, authority.certificate, kName, then + std::chrono::seconds(31)));
  CHECK_FALSE(is_trusted(server.certificate, authority.certificate, kName, then - hours(2)));
}

TEST_CASE("a pair is a certificate and its own key") {
  const KeyedCertificate one = make_authority("one");
  const KeyedCertificate two = make_authority("two");
  CHECK(is_pair(one));
  CHECK_FALSE(is_pair({one.certificate, two.key}));
  CHECK_FALSE(is_pair({one.certificate, ""}));
  CHECK_FALSE(is_pair({"", one.key}));
  CHECK_FALSE(is_pair({one.key, one.certificate}));
}

TEST_CASE("long names and strange names") {
  const KeyedCertificate authority = make_authority("ca");
  const std::string long_name = std::string(60, 'a') + "." + std::string(60, 'b') + ".svc";
  const KeyedCertificate server = make_server_certificate(authority, {long_name});
  CHECK(inspect_certificates(server.certificate).front().subject == long_name.substr(0, 64));
  CHECK(is_trusted(server.certificate, authority.certificate, long_name));
  CHECK_THROWS_AS(make_server_certificate(authority, {}), Error);
  CHECK_THROWS_AS(make_server_certificate(authority, {"a,DNS:b"}), Error);
}

TEST_CASE("an authority needs its own key") {
  const KeyedCertificate mixed = {make_authority("ca").certificate, make_authority("ca").key};
  CHECK_THROWS_AS(make_server_certificate(mixed, {kName}), Error);
}

TEST_CASE("old and new certificates are trusted while the authority changes") {
  const KeyedCertificate old_authority = make_authority("gpuinfer-webhook-ca");
  const KeyedCertificate new_authority = make_authority("gpuinfer-webhook-ca");
  const std::string bundle = merge_authorities(new_authority.certificate, old_authority.certificate);
  for (const KeyedCertificate& authority : {old_authority, new_authority}) {
    CHECK(is_trusted(make_server_certificate(authority, {kName}).certificate, bundle, kName));
  }
  const auto facts = inspect_certificates(bundle);
  REQUIRE(facts.size() == 2);
  CHECK(facts[0].fingerprint == inspect_certificates(new_authority.certificate)[0].fingerprint);

  SECTION("merging again changes nothing") { CHECK(merge_authorities(new_authority.certificate, bundle) == bundle); }
  SECTION("what has expired goes") {
    const std::string short_lived = make_authority("short", days(1)).certificate;
    const auto later = system_clock::now() + hours(48);
    CHECK(inspect_certificates(merge_authorities(bundle, short_lived, later)).size() == 2);
  }
  SECTION("what is no certificate is dropped") {
    CHECK(merge_authorities(new_authority.certificate, "") == new_authority.certificate);
    CHECK(merge_authorities(new_authority.certificate, "garbage") == new_authority.certificate);
  }
}

TEST_CASE("changed certificates are read or refused") {
  const std::string pem = make_authority("ca").certificate;
  CHECK_THROWS_AS(inspect_certificates(""), Error);
  CHECK_THROWS_AS(inspect_certificates("-----BEGIN CERTIFICATE-----\n"), Error);
  std::mt19937 random(11);
  for (int round = 0; round < 3000; ++round) {
    std::string changed = pem;
    for (unsigned i = 0; i < 1 + random() % 3; ++i)
      changed[random() % changed.size()] = static_cast<char>(random() % 128);
    if (random() % 4 == 0) changed.resize(random() % changed.size());
    try {
      inspect_certificates(changed);
      is_trusted(changed, pem, kName);
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace gpuinfer::kube
