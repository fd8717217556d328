#include "kube/openssl.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <limits>

#include "base/error.hpp"

namespace gpuinfer::kube {

std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "" : reason;
}

BioPointer memory_bio(std::string_view text) {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) throw Error("PEM text is too long");
  return BioPointer(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string bio_text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::vector<CertificatePointer> read_certificates(std::string_view pem) {
  const BioPointer bio = memory_bio(pem);
  std::vector<CertificatePointer> certificates;
  while (CertificatePointer certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    certificates.push_back(std::move(certificate));
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = openssl_reason();
  if (!at_end) throw Error("certificate does not parse: " + reason);
  if (certificates.empty()) throw Error("no PEM certificate (\"-----BEGIN CERTIFICATE-----\") found");
  return certificates;
}

std::string to_pem(X509* certificate) {
  const BioPointer bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(bio.get(), certificate) != 1) throw Error("cannot write a certificate: " + openssl_reason());
  return bio_text(bio.get());
}

KeyPointer read_private_key(std::string_view pem) {
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  const BioPointer bio = memory_bio(pem);
  KeyPointer key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  const std::string reason = openssl_reason();
  if (!key) throw Error("private key does not parse: " + reason);
  return key;
}

}  // namespace gpuinfer::kube
