#include "webhook/certificate.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>

namespace gpuinfer::webhook {

namespace {

[[noreturn]] void fail(const std::string& what) {
  ERR_clear_error();
  throw Error(what, "put the server's certificate chain and its key into the Secret, both in PEM");
}

std::shared_ptr<BIO> reader_of(std::string_view pem) {
  return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free};
}

std::shared_ptr<X509> read_certificate(BIO* pem) {
  return {PEM_read_bio_X509(pem, nullptr, nullptr, nullptr), X509_free};
}

void free_certificates(STACK_OF(X509) * certificates) { sk_X509_pop_free(certificates, X509_free); }

/// A key is never protected by a passphrase here; without this, OpenSSL would ask the terminal for one.
int no_passphrase(char*, int, int, void*) { return -1; }

std::chrono::system_clock::time_point to_time_point(const ASN1_TIME* time) {
  std::tm utc{};
  if (ASN1_TIME_to_tm(time, &utc) != 1) fail("the certificate has no readable expiry time");
  return std::chrono::system_clock::from_time_t(timegm(&utc));
}

}  // namespace

Certificate::Certificate(std::string_view chain_pem, std::string_view key_pem)
    : intermediates_(sk_X509_new_null(), free_certificates) {
  const auto chain = reader_of(chain_pem);
  leaf_ = read_certificate(chain.get());
  if (!leaf_) fail("the certificate is not PEM");
  while (const std::shared_ptr<X509> next = read_certificate(chain.get())) {
    X509_up_ref(next.get());
    sk_X509_push(intermediates_.get(), next.get());
  }
  key_ = {PEM_read_bio_PrivateKey(reader_of(key_pem).get(), nullptr, no_passphrase, nullptr), EVP_PKEY_free};
  if (!key_) fail("the private key is not PEM, or asks for a passphrase");
  if (X509_check_private_key(leaf_.get(), key_.get()) != 1) fail("the private key does not belong to the certificate");
  not_after_ = to_time_point(X509_get0_notAfter(leaf_.get()));
  if (not_after_ <= std::chrono::system_clock::now()) fail("the certificate has expired");
  ERR_clear_error();  // the end of the chain is an error to PEM_read_bio_X509
}

bool Certificate::use_for(SSL* connection) const {
  return SSL_use_cert_and_key(connection, leaf_.get(), key_.get(), intermediates_.get(), 1) == 1;
}

}  // namespace gpuinfer::webhook
