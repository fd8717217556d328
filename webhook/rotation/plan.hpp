// What to do next about the webhook's certificates: a pure function of what the cluster holds and of the time.
//
// A new authority comes in like this, and each arrow is one write to one object, after which any replica can go on:
//
//   Secret: next_authority made  ->  caBundle: it is added  ->  (every API server has read it: `overlap`)
//     ->  Secret: it becomes the authority, with a new server certificate; the old ones are kept as retired
//     ->  (the last certificate of the old authority expires)  ->  Secret: retired dropped  ->  caBundle: trimmed
//
// So there is no time at which a replica serves a certificate whose authority is missing in the caBundle, even a
// replica that has not heard anything for weeks. Replicas do not elect a leader: a write carries the resourceVersion
// that the plan was made from, and whoever is late reads and plans again.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "webhook/rotation/tls_secret.hpp"

namespace gpuinfer::webhook {

/// How long things last.
struct RotationSettings {
  std::vector<std::string> dns_names;  ///< of the server certificate; the API server calls the first
  std::string authority_name = "gpuinfer-webhook authority";
  std::chrono::seconds authority_lifetime = std::chrono::days(3650);
  std::chrono::seconds certificate_lifetime = std::chrono::days(90);
  /// For this long a changed caBundle must have been there before anything relies on it.
  std::chrono::seconds overlap = std::chrono::seconds(60);
};

/// Throws Error where a certificate could outlive its authority: an authority is renewed when a third of its life is
/// left, and a certificate has to fit into that third.
void check(const RotationSettings& settings);

/// What a replica sees.
struct Observation {
  TlsSecret secret;
  std::optional<std::string> ca_bundle;  ///< nothing: there is no configuration, nobody calls
  /// For how long this replica has seen this very bundle, by its own monotonic clock: no clocks are compared.
  std::chrono::seconds ca_bundle_age = std::chrono::seconds(0);
  std::chrono::sys_seconds now;  ///< by the API server's clock, which judges the certificates
};

/// One write to one object.
enum class Step {
  kNone,
  kMakeAuthority,     ///< Secret
  kAddAuthorities,    ///< caBundle
  kPromoteAuthority,  ///< Secret
  kRenewCertificate,  ///< Secret
  kDropRetired,       ///< Secret
  kTrimBundle,        ///< caBundle
};

/// What to do, and when to look again where nothing has to be done.
struct Plan {
  Step step = Step::kNone;
  std::chrono::seconds look_again_in = std::chrono::seconds(0);
};

Plan make_plan(const Observation& observation, const RotationSettings& settings);

/// The Secret after `step`, one of those that change the Secret. Makes keys.
TlsSecret after_step(Step step, const TlsSecret& secret, const RotationSettings& settings,
                     std::chrono::sys_seconds now);

/// The authorities that belong into the caBundle: the current one first, then the next one, then retired ones.
std::string wanted_bundle(const TlsSecret& secret, std::chrono::sys_seconds now);

/// Whether a replica that serves `served` (empty: nothing yet) should change over to the Secret's certificate: where it
/// is usable, and the caBundle vouches for it, or at least does not vouch for the served one either.
bool should_serve(const kube::KeyedCertificate& served, const Observation& observation,
                  const RotationSettings& settings);

/// "a new certificate was issued": what `step` did, for the log.
std::string description_of(Step step);

}  // namespace gpuinfer::webhook
