#include "webhook/rotation/rotator.hpp"

#include <utility>

#include "base/log.hpp"
#include "kube/api_error.hpp"
#include "kube/json_field.hpp"
#include "kube/resource.hpp"
#include "webhook/rotation/ca_bundle.hpp"

namespace gpuinfer::webhook {

namespace {

constexpr int kConflict = 409;

/// The webhook's own fields, apart from those that `kubectl gpuinfer install` applies.
const kube::WriteOptions kWrite = {.dry_run = false, .force = false, .field_manager = "gpuinfer-webhook"};

}  // namespace

Rotator::Rotator(kube::Client client, RotationObjects objects, RotationSettings settings, RotationClocks clocks,
                 std::function<void(const kube::KeyedCertificate&)> serve)
    : client_(std::move(client)),
      objects_(std::move(objects)),
      settings_(std::move(settings)),
      clocks_(std::move(clocks)),
      serve_(std::move(serve)) {
  check(settings_);
}

std::string Rotator::secret_path() const {
  return kube::resource_path("v1", "Secret", objects_.namespace_name, objects_.secret);
}

std::string Rotator::configuration_path() const {
  return kube::resource_path("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "",
                             objects_.configuration);
}

std::chrono::seconds Rotator::turn(std::stop_token stop) {
  const std::optional<Json> secret = client_.find(secret_path(), stop);
  if (!secret) {
    throw Error("there is no Secret " + objects_.namespace_name + "/" + objects_.secret,
                "'kubectl gpuinfer install' makes it; the webhook itself may only change it");
  }
  const std::optional<Json> configuration = client_.find(configuration_path(), stop);
  const Observation observation = observe(*secret, configuration);
  if (should_serve(served_, observation, settings_)) {
    serve_(observation.secret.server);
    served_ = observation.secret.server;
  }
  const Plan plan = make_plan(observation, settings_);
  if (plan.step != Step::kNone) take(plan.step, *secret, configuration, observation, stop);
  return plan.look_again_in;
}

Observation Rotator::observe(const Json& secret, const std::optional<Json>& configuration) {
  std::optional<std::string> bundle;
  if (configuration) bundle = read_ca_bundle(*configuration);
  const std::chrono::steady_clock::time_point now = clocks_.monotonic();
  if (bundle != last_bundle_) {
    last_bundle_ = bundle;
    last_bundle_since_ = now;
  }
  return {.secret = read_tls_secret(secret),
          .ca_bundle = std::move(bundle),
          .ca_bundle_age = std::chrono::floor<std::chrono::seconds>(now - last_bundle_since_),
          .now = clocks_.api_server()};
}

void Rotator::take(Step step, const Json& secret, const std::optional<Json>& configuration,
                   const Observation& observation, std::stop_token stop) {
  const std::string authorities = wanted_bundle(observation.secret, observation.now);
  try {
    if (step == Step::kAddAuthorities) {
      client_.replace(with_authorities_added(*configuration, authorities), kWrite, stop);
    } else if (step == Step::kTrimBundle) {
      client_.replace(with_ca_bundle(*configuration, authorities), kWrite, stop);
    } else {
      const TlsSecret changed = after_step(step, observation.secret, settings_, observation.now);
      client_.replace(with_tls_secret(secret, changed), kWrite, stop);
    }
  } catch (const kube::ApiError& error) {
    if (error.code() != kConflict) throw;
    return;  // another replica was faster: its result is looked at in the next turn
  }
  log(LogLevel::kInfo, description_of(step), {{"step", "rotation"}});
}

}  // namespace gpuinfer::webhook
