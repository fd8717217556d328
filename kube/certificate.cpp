#include "kube/certificate.hpp"

#include <openssl/asn1.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>
#include <set>

#include "kube/openssl.hpp"

namespace gpuinfer::kube {

namespace {

using std::chrono::hours;
using std::chrono::sys_seconds;
using std::chrono::system_clock;

/// Clocks of cluster and workstation may differ by this much.
constexpr hours kClockSkew{1};
constexpr std::size_t kMaxCommonNameBytes = 64;  // RFC 5280, ub-common-name

using StoreContextPointer = std::unique_ptr<X509_STORE_CTX, OpensslDeleter<X509_STORE_CTX_free>>;
using ExtensionPointer = std::unique_ptr<X509_EXTENSION, OpensslDeleter<X509_EXTENSION_free>>;
using NamesPointer = std::unique_ptr<GENERAL_NAMES, OpensslDeleter<GENERAL_NAMES_free>>;

void require(bool success, const char* what) {
  if (!success) throw Error(std::string("certificate: ") + what + " failed: " + openssl_reason());
}

sys_seconds time_of(const ASN1_TIME* time) {
  std::tm parts{};
  require(ASN1_TIME_to_tm(time, &parts) == 1, "reading a time");
  return sys_seconds(std::chrono::seconds(timegm(&parts)));
}

void set_time(ASN1_TIME* time, sys_seconds value) {
  require(ASN1_TIME_set(time, value.time_since_epoch().count()) != nullptr, "setting a time");
}

void set_random_serial_number(X509* certificate) {
  std::array<unsigned char, 16> bytes;  // 128 bits: no two authorities of ours will ever clash
  require(RAND_bytes(bytes.data(), bytes.size()) == 1, "making a serial number");
  bytes[0] &= 0x7f;  // it must be positive
  const std::unique_ptr<BIGNUM, OpensslDeleter<BN_free>> number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  require(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr, "setting a serial number");
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPointer extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  require(extension != nullptr, "making an extension");
  require(X509_add_ext(certificate, extension.get(), -1) == 1, "adding an extension");
}

/// A certificate for a new key, complete but for its extensions and its signature.
CertificatePointer make_unsigned(EVP_PKEY* key, const std::string& common_name, sys_seconds now,
                                 sys_seconds not_after) {
  CertificatePointer certificate(X509_new());
  require(certificate != nullptr, "making a certificate");
  X509_set_version(certificate.get(), X509_VERSION_3);
  set_random_serial_number(certificate.get());
  set_time(X509_getm_notBefore(certificate.get()), now - kClockSkew);
  set_time(X509_getm_notAfter(certificate.get()), not_after);
  const std::string name = common_name.substr(0, kMaxCommonNameBytes);
  require(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                                     reinterpret_cast<const unsigned char*>(name.data()), static_cast<int>(name.size()),
                                     -1, 0) == 1,
          "setting the name");
  require(X509_set_pubkey(certificate.get(), key) == 1, "setting the key");
  return certificate;
}

KeyedCertificate with_key(X509* certificate, EVP_PKEY* key) {
  const BioPointer key_bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_PKCS8PrivateKey(key_bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
          "writing the key");
  return {to_pem(certificate), bio_text(key_bio.get())};
}

std::string common_name(const X509_NAME* name) {
  const int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (index < 0) return "";
  const ASN1_STRING* text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index));
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     static_cast<std::size_t>(ASN1_STRING_length(text)));
}

std::vector<std::string> dns_names(const X509* certificate) {
  std::vector<std::string> names;
  const NamesPointer alternatives(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (name->type != GEN_DNS) continue;
    names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                       static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
  }
  return names;
}

std::string fingerprint(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  require(X509_digest(certificate, EVP_sha256(), digest.data(), &size) == 1, "hashing a certificate");
  constexpr std::string_view kHexadecimal = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += {kHexadecimal[digest[i] >> 4], kHexadecimal[digest[i] & 15]};
  return text;
}

CertificateFacts facts_of(X509* certificate) {
  CertificateFacts facts;
  facts.subject = common_name(X509_get_subject_name(certificate));
  facts.issuer = common_name(X509_get_issuer_name(certificate));
  facts.not_before = time_of(X509_get0_notBefore(certificate));
  facts.not_after = time_of(X509_get0_notAfter(certificate));
  facts.dns_names = dns_names(certificate);
  facts.fingerprint = fingerprint(certificate);
  facts.is_authority = X509_check_ca(certificate) == 1;
  facts.is_self_signed = X509_self_signed(certificate, /*verify_signature=*/1) == 1;
  openssl_reason();  // a damaged signature is an answer here, no failure
  return facts;
}

/// DNS names go into an OpenSSL configuration value, where a comma would start another one.
void check_dns_name(const std::string& name) {
  const auto allowed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '*'; };
  if (name.empty() || !std::ranges::all_of(name, allowed)) throw Error("'" + name + "' is no DNS name");
}

}  // namespace

KeyedCertificate make_authority(const std::string& common_name, std::chrono::seconds lifetime,
                                system_clock::time_point now) {
  const sys_seconds start = std::chrono::floor<std::chrono::seconds>(now);
  const KeyPointer key(EVP_EC_gen("P-256"));
  require(key != nullptr, "making a key");
  const CertificatePointer certificate = make_unsigned(key.get(), common_name, start, start + lifetime);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  add_extension(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(certificate.get(), certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash");
  require(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0, "signing");
  return with_key(certificate.get(), key.get());
}

KeyedCertificate make_server_certificate(const KeyedCertificate& authority, const std::vector<std::string>& dns_names,
                                         std::chrono::seconds lifetime, system_clock::time_point now) {
  if (dns_names.empty()) throw Error("a server certificate needs a DNS name");
  std::string alternatives;
  for (const std::string& name : dns_names) {
    check_dns_name(name);
    alternatives += (alternatives.empty() ? "DNS:" : ",DNS:") + name;
  }
  const CertificatePointer issuer = std::move(read_certificates(authority.certificate).front());
  const KeyPointer issuer_key = read_private_key(authority.key);
  require(X509_check_private_key(issuer.get(), issuer_key.get()) == 1, "matching the authority's key");

  const KeyPointer key(EVP_EC_gen("P-256"));
  require(key != nullptr, "making a key");
  const sys_seconds start = std::chrono::floor<std::chrono::seconds>(now);
  const sys_seconds not_after = std::min(start + lifetime, time_of(X509_get0_notAfter(issuer.get())));
  const CertificatePointer certificate = make_unsigned(key.get(), dns_names.front(), start, not_after);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get()));
  add_extension(certificate.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE");
  add_extension(certificate.get(), issuer.get(), NID_key_usage, "critical,digitalSignature");
  add_extension(certificate.get(), issuer.get(), NID_ext_key_usage, "serverAuth");
  add_extension(certificate.get(), issuer.get(), NID_subject_alt_name, alternatives);
  add_extension(certificate.get(), issuer.get(), NID_subject_key_identifier, "hash");
  // Which of several authorities with the same name signed it, while two of them are trusted.
  add_extension(certificate.get(), issuer.get(), NID_authority_key_identifier, "keyid:always");
  require(X509_sign(certificate.get(), issuer_key.get(), EVP_sha256()) > 0, "signing");
  return with_key(certificate.get(), key.get());
}

bool is_pair(const KeyedCertificate& pair) {
  try {
    const std::vector<CertificatePointer> chain = read_certificates(pair.certificate);
    const KeyPointer key = read_private_key(pair.key);
    // A key file holds the public half as well: that has to belong to the private one, too.
    const KeyContextPointer context(EVP_PKEY_CTX_new(key.get(), nullptr));
    const bool matches =
        X509_check_private_key(chain.front().get(), key.get()) == 1 && EVP_PKEY_pairwise_check(context.get()) == 1;
    openssl_reason();  // a mismatch is an answer here, no failure
    return matches;
  } catch (const Error&) {
    return false;
  }
}

std::vector<CertificateFacts> inspect_certificates(std::string_view pem) {
  std::vector<CertificateFacts> facts;
  for (const CertificatePointer& certificate : read_certificates(pem)) facts.push_back(facts_of(certificate.get()));
  return facts;
}

bool is_trusted(std::string_view certificate, std::string_view authorities, const std::string& dns_name,
                system_clock::time_point time) {
  const std::vector<CertificatePointer> chain = read_certificates(certificate);
  const StorePointer store(X509_STORE_new());
  for (const CertificatePointer& authority : read_certificates(authorities)) {
    X509_STORE_add_cert(store.get(), authority.get());
  }
  const StoreContextPointer context(X509_STORE_CTX_new());
  require(X509_STORE_CTX_init(context.get(), store.get(), chain.front().get(), nullptr) == 1, "verifying");
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(parameters, system_clock::to_time_t(time));
  X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  X509_VERIFY_PARAM_set1_host(parameters, dns_name.c_str(), dns_name.size());
  const bool trusted = X509_verify_cert(context.get()) == 1;
  openssl_reason();  // a refusal is an answer here, no failure
  return trusted;
}

std::string merge_authorities(std::string_view current, std::string_view previous, system_clock::time_point time) {
  std::string bundle;
  std::set<std::string> present;
  for (const CertificatePointer& certificate : read_certificates(current)) {
    present.insert(fingerprint(certificate.get()));
    bundle += to_pem(certificate.get());
  }
  std::vector<CertificatePointer> older;
  try {
    older = read_certificates(previous);
  } catch (const Error&) {
    return bundle;
  }
  for (const CertificatePointer& certificate : older) {
    const bool expired =
        time_of(X509_get0_notAfter(certificate.get())) <= std::chrono::floor<std::chrono::seconds>(time);
    if (!expired && present.insert(fingerprint(certificate.get())).second) bundle += to_pem(certificate.get());
  }
  return bundle;
}

}  // namespace gpuinfer::kube
