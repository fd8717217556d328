// Owners for OpenSSL's objects, PEM in and out, and the reason of its last failure.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gpuinfer::kube {

template <auto free_function>
struct OpensslDeleter {
  template <typename T>
  void operator()(T* object) const {
    free_function(object);
  }
};

using BioPointer = std::unique_ptr<BIO, OpensslDeleter<BIO_free>>;
using KeyPointer = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>>;
using KeyContextPointer = std::unique_ptr<EVP_PKEY_CTX, OpensslDeleter<EVP_PKEY_CTX_free>>;
using CertificatePointer = std::unique_ptr<X509, OpensslDeleter<X509_free>>;
using StorePointer = std::unique_ptr<X509_STORE, OpensslDeleter<X509_STORE_free>>;

/// The reason of this thread's latest failure in OpenSSL, "" without one; empties its queue.
std::string openssl_reason();

/// A BIO that reads `text`, which must outlive it.
BioPointer memory_bio(std::string_view text);

/// Everything that was written to the memory BIO `bio`.
std::string bio_text(BIO* bio);

/// All certificates of a PEM text. Throws Error where there is none or one does not parse.
std::vector<CertificatePointer> read_certificates(std::string_view pem);

/// One certificate as PEM. Throws Error.
std::string to_pem(X509* certificate);

/// The private key of a PEM text; keys under a passphrase are refused. Throws Error.
KeyPointer read_private_key(std::string_view pem);

}  // namespace gpuinfer::kube
