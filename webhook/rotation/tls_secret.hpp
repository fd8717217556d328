// What the Secret gpuinfer-webhook-tls holds: the webhook's certificate and the authorities behind it.
#pragma once

#include <string>

#include "base/json.hpp"
#include "kube/certificate.hpp"

namespace gpuinfer::webhook {

/// The whole state of the rotation, next to the caBundle of the configuration. Entries of the Secret that are missing
/// or no base64 are empty here.
struct TlsSecret {
  kube::KeyedCertificate authority;       ///< ca.crt, ca.key: signs what is served
  kube::KeyedCertificate next_authority;  ///< next-ca.crt, next-ca.key: will sign once every API server trusts it
  kube::KeyedCertificate server;          ///< tls.crt, tls.key: what every replica serves
  /// retired.crt: certificates of earlier authorities that a replica may still serve because it has not heard of newer
  /// ones, each followed by its authority. An authority is trusted until the certificate before it has expired.
  std::string retired;

  bool operator==(const TlsSecret&) const = default;
};

/// The state that a Secret holds.
TlsSecret read_tls_secret(const Json& secret);

/// `secret` with `state` in its data; everything else of it stays.
Json with_tls_secret(Json secret, const TlsSecret& state);

}  // namespace gpuinfer::webhook
