#include "webhook/rotation/plan.hpp"

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "kube/openssl.hpp"

namespace gpuinfer::webhook {

namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;

constexpr int kRenewAtLastPart = 3;  ///< renewed when a third of the life is left
constexpr seconds kLongestPause = std::chrono::hours(1);

/// Facts of all certificates of `pem`; none where it is empty or damaged.
std::vector<kube::CertificateFacts> facts_of(const std::string& pem) {
  try {
    return kube::inspect_certificates(pem);
  } catch (const Error&) {
    return {};
  }
}

std::set<std::string> fingerprints_of(const std::string& pem) {
  std::set<std::string> fingerprints;
  for (const kube::CertificateFacts& facts : facts_of(pem)) fingerprints.insert(facts.fingerprint);
  return fingerprints;
}

/// Also that no byte of it has changed: what such an authority signs is trusted by nobody, and would be made again and
/// again.
bool is_usable_authority(const kube::KeyedCertificate& authority, sys_seconds now) {
  const std::vector<kube::CertificateFacts> facts = facts_of(authority.certificate);
  return facts.size() == 1 && facts[0].is_authority && facts[0].is_self_signed && facts[0].not_before <= now &&
         now < facts[0].not_after && kube::is_pair(authority);
}

bool is_trusted(const std::string& certificate, const std::string& authorities, const RotationSettings& settings,
                sys_seconds now) {
  if (certificate.empty() || authorities.empty()) return false;
  try {
    return std::ranges::all_of(settings.dns_names, [&](const std::string& name) {
      return kube::is_trusted(certificate, authorities, name, now);
    });
  } catch (const Error&) {
    return false;
  }
}

sys_seconds end_of(const std::string& certificate) { return facts_of(certificate).front().not_after; }

/// When a certificate with `lifetime` has to be replaced. (Its not_before is earlier than its making.)
sys_seconds renewal_of(const std::string& certificate, seconds lifetime) {
  return end_of(certificate) - lifetime / kRenewAtLastPart;
}

/// An authority that is trusted until the last certificate of its has expired.
struct Retired {
  std::string authority;  ///< PEM
  std::string pair;       ///< the certificate and the authority, PEM
  sys_seconds until;
};

/// What `pem`, a TlsSecret's `retired`, says; whatever does not come in pairs is left out.
std::vector<Retired> read_retired(const std::string& pem) {
  std::vector<Retired> retired;
  try {
    std::vector<std::string> parts;
    for (const kube::CertificatePointer& certificate : kube::read_certificates(pem)) {
      parts.push_back(kube::to_pem(certificate.get()));
    }
    for (std::size_t i = 0; i + 1 < parts.size(); i += 2) {
      retired.push_back({parts[i + 1], parts[i] + parts[i + 1], end_of(parts[i])});
    }
  } catch (const Error&) {
    return {};
  }
  return retired;
}

/// The first certificate of `pem`; empty where there is none.
std::string first_of(const std::string& pem) {
  try {
    return kube::to_pem(kube::read_certificates(pem).front().get());
  } catch (const Error&) {
    return "";
  }
}

/// Retired authorities that still have to be trusted, joined by `field` of each.
std::string still_retired(const std::string& pem, sys_seconds now, std::string Retired::*field) {
  std::string result;
  for (const Retired& retired : read_retired(pem)) {
    if (now < retired.until) result += retired.*field;
  }
  return result;
}

/// What make_plan() asks of an observation, each question answered once.
struct Situation {
  Situation(const Observation& seen, const RotationSettings& settings)
      : authority_usable(is_usable_authority(seen.secret.authority, seen.now)),
        next_usable(is_usable_authority(seen.secret.next_authority, seen.now)),
        certificate_usable(
            kube::is_pair(seen.secret.server) &&
            is_trusted(seen.secret.server.certificate, seen.secret.authority.certificate, settings, seen.now)),
        settled(seen.ca_bundle && seen.ca_bundle_age >= settings.overlap),
        wanted(fingerprints_of(wanted_bundle(seen.secret, seen.now))),
        present(fingerprints_of(seen.ca_bundle.value_or(""))) {}

  bool authority_usable;
  bool next_usable;
  bool certificate_usable;
  bool settled;  ///< every API server has read the caBundle
  std::set<std::string> wanted, present;
};

/// The earliest time at which a plan may turn out differently without a change of the objects.
sys_seconds next_deadline(const Observation& seen, const Situation& situation, const RotationSettings& settings) {
  sys_seconds next = seen.now + kLongestPause;
  const auto consider = [&](sys_seconds time) { next = std::min(next, time); };
  if (situation.authority_usable) {
    consider(renewal_of(seen.secret.authority.certificate, settings.authority_lifetime));
  }
  if (situation.certificate_usable) {
    consider(renewal_of(seen.secret.server.certificate, settings.certificate_lifetime));
  }
  for (const Retired& retired : read_retired(seen.secret.retired)) consider(retired.until);
  if (seen.ca_bundle && !situation.settled) consider(seen.now + settings.overlap - seen.ca_bundle_age);
  return std::max(next, seen.now + seconds(1));
}

}  // namespace

void check(const RotationSettings& settings) {
  if (settings.dns_names.empty()) throw Error("a certificate needs a DNS name");
  if (settings.certificate_lifetime < kRenewAtLastPart * seconds(1)) {
    throw Error("a certificate's lifetime of " + std::to_string(settings.certificate_lifetime.count()) +
                " s is too short");
  }
  if (settings.certificate_lifetime > settings.authority_lifetime / kRenewAtLastPart) {
    throw Error("a certificate may live for a third of its authority's lifetime at most",
                "make --authority-lifetime longer or --certificate-lifetime shorter");
  }
}

Plan make_plan(const Observation& seen, const RotationSettings& settings) {
  const Situation situation(seen, settings);
  const bool authority_due = !situation.authority_usable ||
                             seen.now >= renewal_of(seen.secret.authority.certificate, settings.authority_lifetime);
  if (authority_due && !situation.next_usable) return {Step::kMakeAuthority};
  if (seen.ca_bundle && !std::ranges::includes(situation.present, situation.wanted)) return {Step::kAddAuthorities};

  // Nothing to serve: then there is nothing to lose by not waiting.
  const bool urgent = !situation.certificate_usable;
  if (situation.authority_usable) {
    if (urgent) return {Step::kRenewCertificate};
    const std::string& certificate = seen.secret.server.certificate;
    const bool due = seen.now >= renewal_of(certificate, settings.certificate_lifetime);
    // Near its own end, the authority has nothing better to give.
    const bool improves = end_of(certificate) < end_of(seen.secret.authority.certificate);
    if (due && improves && (situation.settled || !seen.ca_bundle)) return {Step::kRenewCertificate};
  }
  if (situation.next_usable && (situation.settled || (urgent && !situation.authority_usable))) {
    return {Step::kPromoteAuthority};
  }
  if (still_retired(seen.secret.retired, seen.now, &Retired::pair) != seen.secret.retired) return {Step::kDropRetired};
  if (situation.settled && situation.present != situation.wanted) return {Step::kTrimBundle};
  return {Step::kNone, next_deadline(seen, situation, settings) - seen.now};
}

TlsSecret after_step(Step step, const TlsSecret& secret, const RotationSettings& settings, sys_seconds now) {
  TlsSecret changed = secret;
  const auto issue = [&] {
    return kube::make_server_certificate(changed.authority, settings.dns_names, settings.certificate_lifetime, now);
  };
  if (step == Step::kMakeAuthority) {
    changed.next_authority = kube::make_authority(settings.authority_name, settings.authority_lifetime, now);
  } else if (step == Step::kRenewCertificate) {
    changed.server = issue();
  } else if (step == Step::kPromoteAuthority) {
    const std::string last_pair = first_of(secret.server.certificate) + first_of(secret.authority.certificate);
    changed.retired = still_retired(secret.retired + last_pair, now, &Retired::pair);
    changed.authority = secret.next_authority;
    changed.next_authority = {};
    changed.server = issue();
  } else if (step == Step::kDropRetired) {
    changed.retired = still_retired(secret.retired, now, &Retired::pair);
  }
  return changed;
}

std::string wanted_bundle(const TlsSecret& secret, sys_seconds now) {
  std::string bundle;
  std::set<std::string> present;
  const std::string all[] = {secret.authority.certificate, secret.next_authority.certificate,
                             still_retired(secret.retired, now, &Retired::authority)};
  for (const std::string& pem : all) {
    if (facts_of(pem).empty()) continue;
    bundle = bundle.empty() ? kube::merge_authorities(pem, "", now) : kube::merge_authorities(bundle, pem, now);
  }
  return bundle;
}

bool should_serve(const kube::KeyedCertificate& served, const Observation& seen, const RotationSettings& settings) {
  const kube::KeyedCertificate& offered = seen.secret.server;
  if (offered == served || !kube::is_pair(offered) || end_of(offered.certificate) <= seen.now) return false;
  if (served.certificate.empty() || !seen.ca_bundle) return true;
  return is_trusted(offered.certificate, *seen.ca_bundle, settings, seen.now) ||
         !is_trusted(served.certificate, *seen.ca_bundle, settings, seen.now);
}

std::string description_of(Step step) {
  switch (step) {
    case Step::kMakeAuthority:
      return "a new authority was made";
    case Step::kAddAuthorities:
      return "the caBundle now holds every authority";
    case Step::kPromoteAuthority:
      return "the new authority signs now; a certificate of it was issued";
    case Step::kRenewCertificate:
      return "a new certificate was issued";
    case Step::kDropRetired:
      return "a retired authority was dropped: its last certificate has expired";
    case Step::kTrimBundle:
      return "the caBundle no longer holds retired authorities";
    case Step::kNone:
      break;
  }
  return "nothing had to be done";
}

}  // namespace gpuinfer::webhook
