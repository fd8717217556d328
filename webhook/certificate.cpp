#include "webhook/certificate.hpp"

#include <openssl/x509.h>

#include <ctime>
#include <utility>
#include <vector>

#include "kube/openssl.hpp"

namespace gpuinfer::webhook {

namespace {

std::chrono::system_clock::time_point to_time_point(const ASN1_TIME* time) {
  std::tm utc{};
  if (ASN1_TIME_to_tm(time, &utc) != 1) throw Error("the certificate has no readable expiry time");
  return std::chrono::system_clock::from_time_t(timegm(&utc));
}

void free_certificates(STACK_OF(X509) * certificates) { sk_X509_pop_free(certificates, X509_free); }

}  // namespace

Certificate::Certificate(std::string_view chain_pem, std::string_view key_pem)
    : intermediates_(sk_X509_new_null(), free_certificates) {
  std::vector<kube::CertificatePointer> chain = kube::read_certificates(chain_pem);
  leaf_ = std::move(chain.front());
  for (std::size_t i = 1; i < chain.size(); ++i) sk_X509_push(intermediates_.get(), chain[i].release());
  key_ = kube::read_private_key(key_pem);
  const bool is_pair = X509_check_private_key(leaf_.get(), key_.get()) == 1;
  kube::openssl_reason();  // empties the queue, which this thread's next connection would read
  if (!is_pair) throw Error("the private key does not belong to the certificate");
  not_after_ = to_time_point(X509_get0_notAfter(leaf_.get()));
  if (not_after_ <= std::chrono::system_clock::now()) throw Error("the certificate has expired");
}

bool Certificate::use_for(SSL* connection) const {
  return SSL_use_cert_and_key(connection, leaf_.get(), key_.get(), intermediates_.get(), 1) == 1;
}

}  // namespace gpuinfer::webhook
