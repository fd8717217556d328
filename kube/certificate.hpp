// The webhook's own certificate authority: makes and inspects X.509 certificates (EC P-256).
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace gpuinfer::kube {

/// A certificate and its private key, both PEM (the key as PKCS #8).
struct KeyedCertificate {
  std::string certificate;
  std::string key;

  bool operator==(const KeyedCertificate&) const = default;
};

/// What a certificate says.
struct CertificateFacts {
  std::string subject, issuer;  ///< common names
  /// In whole seconds: nanoseconds since 1970 end in 2262, and certificates "without end" in 9999.
  std::chrono::sys_seconds not_before, not_after;
  std::vector<std::string> dns_names;
  std::string fingerprint;  ///< SHA-256 of the DER form, lower-case hexadecimal
  bool is_authority = false;
  bool is_self_signed = false;  ///< by its own key, so that it is as its maker left it
};

/// A self-signed authority that may sign server certificates and nothing below it. It is valid from an hour before
/// `now`, so that clocks may differ, until `lifetime` after it.
KeyedCertificate make_authority(const std::string& common_name, std::chrono::seconds lifetime = std::chrono::days(3650),
                                std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

/// A server certificate for `dns_names` (at least one; the first is the common name too, cut to 64 characters), signed
/// by `authority`, never valid for longer than it. Throws Error.
KeyedCertificate make_server_certificate(const KeyedCertificate& authority, const std::vector<std::string>& dns_names,
                                         std::chrono::seconds lifetime = std::chrono::days(365),
                                         std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

/// Whether both are there, parse, and belong together. Never throws for what they hold.
bool is_pair(const KeyedCertificate& pair);

/// Facts of each certificate of a PEM bundle, in order. Throws Error where it holds none or one that does not parse.
std::vector<CertificateFacts> inspect_certificates(std::string_view pem);

/// Whether a client that trusts `authorities` (PEM bundle) would accept the server `certificate` for `dns_name` at
/// `time`.
bool is_trusted(std::string_view certificate, std::string_view authorities, const std::string& dns_name,
                std::chrono::system_clock::time_point time = std::chrono::system_clock::now());

/// The `caBundle` for a change of authority: `current` first, then those of `previous` that are neither expired at
/// `time` nor already there, so that servers with the old certificate stay trusted while the new one spreads. What
/// cannot be parsed in `previous` is dropped.
std::string merge_authorities(std::string_view current, std::string_view previous,
                              std::chrono::system_clock::time_point time = std::chrono::system_clock::now());

}  // namespace gpuinfer::kube
