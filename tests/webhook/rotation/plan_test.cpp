// Each situation and the step that it asks for.
#include "webhook/rotation/plan.hpp"

#include "catch.hpp"

namespace gpuinfer::webhook {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::seconds;
using std::chrono::sys_seconds;

const sys_seconds kStart{days(20000)};
const std::string kName = "gpuinfer-webhook.gpuinfer-system.svc";

RotationSettings settings() {
  RotationSettings settings;
  settings.dns_names = {kName};
  return settings;
}

/// A healthy installation at the time at which it was made.
Observation healthy() {
  Observation seen;
  seen.now = kStart;
  seen.secret = after_step(Step::kMakeAuthority, seen.secret, settings(), kStart);
  seen.secret = after_step(Step::kPromoteAuthority, seen.secret, settings(), kStart);
  seen.ca_bundle = wanted_bundle(seen.secret, kStart);
  seen.ca_bundle_age = hours(1);
  return seen;
}

Observation at(Observation seen, sys_seconds now) {
  seen.now = now;
  return seen;
}

Step step_for(const Observation& seen) { return make_plan(seen, settings()).step; }

/// `seen` after `step`, a step that changes the Secret.
Observation after(Step step, Observation seen) {
  seen.secret = after_step(step, seen.secret, settings(), seen.now);
  return seen;
}

/// `seen` with the bundle that it wants, since `age`.
Observation with_wanted_bundle(Observation seen, seconds age) {
  seen.ca_bundle = wanted_bundle(seen.secret, seen.now);
  seen.ca_bundle_age = age;
  return seen;
}

TEST_CASE("an empty Secret becomes an authority, a trusted authority, and a certificate") {
  Observation seen{.secret = {}, .ca_bundle = "", .ca_bundle_age = seconds(0), .now = kStart};
  CHECK(step_for(seen) == Step::kMakeAuthority);
  seen = after(Step::kMakeAuthority, seen);
  CHECK(step_for(seen) == Step::kAddAuthorities);
  seen = with_wanted_bundle(seen, seconds(0));
  CHECK(step_for(seen) == Step::kPromoteAuthority);  // nothing is served yet: nobody has to wait
  seen = after(Step::kPromoteAuthority, seen);
  CHECK(step_for(seen) == Step::kNone);
  CHECK(seen.secret.retired.empty());
  CHECK(kube::is_trusted(seen.secret.server.certificate, *seen.ca_bundle, kName, kStart));
}

TEST_CASE("before there is a configuration, the Secret is filled all the same") {
  Observation seen{.secret = {}, .ca_bundle = std::nullopt, .ca_bundle_age = seconds(0), .now = kStart};
  CHECK(step_for(seen) == Step::kMakeAuthority);
  seen = after(Step::kMakeAuthority, seen);
  CHECK(step_for(seen) == Step::kPromoteAuthority);
  seen = after(Step::kPromoteAuthority, seen);
  CHECK(step_for(seen) == Step::kNone);
  CHECK(should_serve({}, seen, settings()));
}

TEST_CASE("a healthy installation is left alone until a third of the certificate's life is left") {
  const Observation seen = healthy();
  CHECK(step_for(seen) == Step::kNone);
  CHECK(make_plan(seen, settings()).look_again_in > seconds(0));
  CHECK(step_for(at(seen, kStart + days(59))) == Step::kNone);
  CHECK(step_for(at(seen, kStart + days(61))) == Step::kRenewCertificate);

  const Observation renewed = after(Step::kRenewCertificate, at(seen, kStart + days(61)));
  CHECK(renewed.secret.authority == seen.secret.authority);
  CHECK(step_for(renewed) == Step::kNone);
  CHECK(step_for(at(renewed, kStart + days(119))) == Step::kNone);
}

TEST_CASE("an authority is replaced with overlap") {
  const sys_seconds due = kStart + days(2500);  // two thirds of ten years
  Observation seen = with_wanted_bundle(after(Step::kRenewCertificate, at(healthy(), due)), hours(1));
  const kube::KeyedCertificate old_authority = seen.secret.authority;
  const kube::KeyedCertificate old_certificate = seen.secret.server;

  REQUIRE(step_for(seen) == Step::kMakeAuthority);
  seen = after(Step::kMakeAuthority, seen);
  CHECK(seen.secret.authority == old_authority);
  CHECK(seen.secret.server == old_certificate);

  REQUIRE(step_for(seen) == Step::kAddAuthorities);
  seen = with_wanted_bundle(seen, seconds(0));
  CHECK(kube::inspect_certificates(*seen.ca_bundle).size() == 2);
  CHECK(step_for(seen) == Step::kNone);
  CHECK(make_plan(seen, settings()).look_again_in <= settings().overlap);
  seen.ca_bundle_age = settings().overlap - seconds(1);
  CHECK(step_for(seen) == Step::kNone);

  seen.ca_bundle_age = settings().overlap;
  REQUIRE(step_for(seen) == Step::kPromoteAuthority);
  seen = after(Step::kPromoteAuthority, seen);
  CHECK(seen.secret.authority != old_authority);
  CHECK(seen.secret.next_authority == kube::KeyedCertificate{});
  CHECK(kube::is_trusted(seen.secret.server.certificate, *seen.ca_bundle, kName, due));
  CHECK(should_serve(old_certificate, seen, settings()));

  // For as long as a replica could still serve the old certificate, its authority is trusted.
  CHECK(step_for(seen) == Step::kNone);
  CHECK(step_for(at(seen, due + days(59))) == Step::kNone);
  Observation later = after(Step::kRenewCertificate, at(seen, due + days(61)));
  CHECK(step_for(at(later, due + days(89))) == Step::kNone);
  later = at(later, due + days(91));
  REQUIRE(step_for(later) == Step::kDropRetired);
  later = after(Step::kDropRetired, later);
  CHECK(later.secret.retired.empty());
  REQUIRE(step_for(later) == Step::kTrimBundle);
  later = with_wanted_bundle(later, hours(1));
  CHECK(kube::inspect_certificates(*later.ca_bundle).size() == 1);
  CHECK(step_for(later) == Step::kNone);
}

TEST_CASE("what was taken out of the caBundle comes back, what does not belong there goes") {
  Observation seen = healthy();
  for (const char* bundle : {"", "garbage"}) {
    seen.ca_bundle = bundle;
    CHECK(step_for(seen) == Step::kAddAuthorities);
  }
  const std::string stranger = kube::make_authority("stranger", days(1000), kStart).certificate;
  seen.ca_bundle = stranger;
  CHECK(step_for(seen) == Step::kAddAuthorities);
  seen.ca_bundle = wanted_bundle(seen.secret, kStart) + stranger;
  seen.ca_bundle_age = seconds(0);
  CHECK(step_for(seen) == Step::kNone);
  seen.ca_bundle_age = settings().overlap;
  CHECK(step_for(seen) == Step::kTrimBundle);
}

TEST_CASE("a certificate from a lost authority is served until its successor is trusted") {
  Observation seen = healthy();
  const kube::KeyedCertificate served = seen.secret.server;
  seen.secret = {};  // somebody emptied the Secret
  CHECK_FALSE(should_serve(served, seen, settings()));
  seen = after(Step::kPromoteAuthority, after(Step::kMakeAuthority, seen));
  CHECK_FALSE(should_serve(served, seen, settings()));  // no API server knows the new authority yet
  CHECK(step_for(seen) == Step::kAddAuthorities);
  seen.ca_bundle = kube::merge_authorities(wanted_bundle(seen.secret, seen.now), *seen.ca_bundle, seen.now);
  CHECK(should_serve(served, seen, settings()));
}

TEST_CASE("damage is repaired without cutting anybody off") {
  const Observation sound = healthy();
  const kube::KeyedCertificate stranger = kube::make_authority("stranger", days(1000), kStart);
  Observation seen = sound;

  SECTION("the authority's key is lost") {
    seen.secret.authority.key = "";
    REQUIRE(step_for(seen) == Step::kMakeAuthority);
    seen = with_wanted_bundle(after(Step::kMakeAuthority, seen), seconds(0));
    CHECK(kube::inspect_certificates(*seen.ca_bundle).size() == 2);
    CHECK(step_for(seen) == Step::kNone);  // the certificate is good: wait for every API server
    seen.ca_bundle_age = settings().overlap;
    CHECK(step_for(seen) == Step::kPromoteAuthority);
  }
  SECTION("the certificate is lost, or half of another pair") {
    for (const kube::KeyedCertificate& server :
         {kube::KeyedCertificate{}, kube::KeyedCertificate{sound.secret.server.certificate, stranger.key}, stranger}) {
      seen.secret.server = server;
      CHECK(step_for(seen) == Step::kRenewCertificate);
    }
  }
  SECTION("the next authority is damaged") {
    seen.secret.next_authority = {sound.secret.authority.certificate, stranger.key};
    CHECK(step_for(at(seen, kStart + days(2500))) == Step::kMakeAuthority);
  }
  SECTION("what is retired is damaged") {
    seen.secret.retired = "garbage";
    REQUIRE(step_for(seen) == Step::kDropRetired);
    CHECK(after(Step::kDropRetired, seen).secret.retired.empty());
  }
  SECTION("the names have changed") {
    RotationSettings renamed = settings();
    renamed.dns_names.push_back("another.svc");
    CHECK(make_plan(seen, renamed).step == Step::kRenewCertificate);
  }
  SECTION("everything has expired") {
    seen.now = kStart + days(4000);
    CHECK_FALSE(should_serve({}, seen, settings()));
    REQUIRE(step_for(seen) == Step::kMakeAuthority);
    seen = with_wanted_bundle(after(Step::kMakeAuthority, seen), seconds(0));
    REQUIRE(step_for(seen) == Step::kPromoteAuthority);
    seen = after(Step::kPromoteAuthority, seen);
    CHECK(kube::is_trusted(seen.secret.server.certificate, *seen.ca_bundle, kName, seen.now));
  }
}

TEST_CASE("close to its end, an authority gives the same certificate again and again: then none is asked for") {
  RotationSettings mean = settings();
  mean.certificate_lifetime = mean.authority_lifetime;  // what check() refuses
  Observation seen = healthy();
  seen.secret.server = kube::make_server_certificate(seen.secret.authority, mean.dns_names, days(9000), kStart);
  seen.now = kStart + days(3000);
  seen = with_wanted_bundle(after(Step::kMakeAuthority, seen), seconds(0));
  CHECK(make_plan(seen, mean).step == Step::kNone);
}

TEST_CASE("settings under which a certificate outlives its authority are refused") {
  RotationSettings wrong = settings();
  wrong.certificate_lifetime = wrong.authority_lifetime / 2;
  CHECK_THROWS_AS(check(wrong), Error);
  wrong.certificate_lifetime = seconds(1);
  CHECK_THROWS_AS(check(wrong), Error);
  CHECK_NOTHROW(check(settings()));
}

}  // namespace
}  // namespace gpuinfer::webhook
