// Whatever somebody writes into the Secret and the caBundle, the plan leads back to a certificate that is trusted.
#include <array>
#include <random>

#include "base/base64.hpp"
#include "catch.hpp"
#include "webhook/rotation/ca_bundle.hpp"
#include "webhook/rotation/plan.hpp"

namespace gpuinfer::webhook {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::sys_seconds;

const sys_seconds kNow{days(20000)};
const std::string kName = "gpuinfer-webhook.gpuinfer-system.svc";
constexpr int kRounds = 400;
/// More than the longest way from nothing to a trusted certificate.
constexpr int kMostSteps = 12;

RotationSettings settings() {
  RotationSettings settings;
  settings.dns_names = {kName};
  return settings;
}

/// An installation in the middle of a change of authorities: every entry of the Secret is in use.
const Observation& busy() {
  static const Observation seen = [] {
    Observation made;
    made.now = kNow;
    for (int i = 0; i < 2; ++i) {
      made.secret = after_step(Step::kMakeAuthority, made.secret, settings(), kNow);
      made.secret = after_step(Step::kPromoteAuthority, made.secret, settings(), kNow);
    }
    made.secret = after_step(Step::kMakeAuthority, made.secret, settings(), kNow);
    made.ca_bundle = wanted_bundle(made.secret, kNow);
    made.ca_bundle_age = hours(1);
    return made;
  }();
  return seen;
}

/// Flipped bits, lost and doubled stretches, bytes of no text, nothing at all.
void damage(std::string& text, std::mt19937_64& random) {
  const std::size_t position = text.empty() ? 0 : random() % text.size();
  const std::size_t length = 1 + random() % 100;
  switch (random() % 5) {
    case 0:
      if (!text.empty()) text[position] = static_cast<char>(text[position] ^ (1 << random() % 8));
      break;
    case 1:
      text.erase(position, length);
      break;
    case 2:
      text.insert(position, text.substr(0, length));
      break;
    case 3:
      text.insert(position, std::string(length, static_cast<char>(random())));
      break;
    default:
      text.clear();
  }
}

/// Takes the plan's steps until it has none left; returns how many those were.
int repair(Observation& seen) {
  for (int steps = 0; steps < kMostSteps; ++steps) {
    const Step step = make_plan(seen, settings()).step;
    if (step == Step::kNone) return steps;
    if (step == Step::kAddAuthorities || step == Step::kTrimBundle) {
      seen.ca_bundle = wanted_bundle(seen.secret, seen.now);
    } else {
      seen.secret = after_step(step, seen.secret, settings(), seen.now);
    }
    seen.ca_bundle_age = hours(1);
  }
  return kMostSteps;
}

TEST_CASE("damaged certificates and keys are replaced") {
  for (int seed = 0; seed < kRounds; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(static_cast<std::uint64_t>(seed));
    Observation seen = busy();
    TlsSecret& secret = seen.secret;
    const std::array<std::string*, 8> texts = {&secret.authority.certificate,
                                               &secret.authority.key,
                                               &secret.next_authority.certificate,
                                               &secret.next_authority.key,
                                               &secret.server.certificate,
                                               &secret.server.key,
                                               &secret.retired,
                                               &*seen.ca_bundle};
    for (std::uint64_t changes = 1 + random() % 3; changes > 0; --changes)
      damage(*texts[random() % texts.size()], random);
    should_serve(busy().secret.server, seen, settings());
    CHECK(repair(seen) < kMostSteps);
    CHECK(kube::is_trusted(seen.secret.server.certificate, *seen.ca_bundle, kName, kNow));
    CHECK(should_serve({}, seen, settings()));
  }
}

TEST_CASE("damaged objects are read as far as they can be") {
  const Json secret = with_tls_secret(Json::object(), busy().secret);
  const Json webhook = {{"clientConfig", {{"caBundle", base64_encode(*busy().ca_bundle)}}}};
  const Json configuration = {{"webhooks", {webhook, webhook}}};
  for (int seed = 0; seed < kRounds; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(static_cast<std::uint64_t>(seed));
    const auto damaged = [&](Json object) {
      // Goes down a random way; takes away what is there, or, at a text, damages it.
      Json* place = &object;
      while (place->is_structured() && !place->empty()) {
        const std::size_t chosen = random() % place->size();
        Json& member = *std::next(place->begin(), static_cast<std::ptrdiff_t>(chosen));
        if (random() % 8 == 0) {
          member = nullptr;
          break;
        }
        place = &member;
      }
      if (place->is_string()) damage(place->get_ref<std::string&>(), random);
      return object;
    };
    Observation seen = busy();
    seen.secret = read_tls_secret(damaged(secret));
    const Json damaged_configuration = damaged(configuration);
    seen.ca_bundle = read_ca_bundle(damaged_configuration);
    if (!seen.ca_bundle) continue;  // there is no configuration any more
    with_authorities_added(damaged_configuration, wanted_bundle(busy().secret, kNow));
    CHECK(repair(seen) < kMostSteps);
    CHECK(kube::is_trusted(seen.secret.server.certificate, *seen.ca_bundle, kName, kNow));
  }
}

}  // namespace
}  // namespace gpuinfer::webhook
