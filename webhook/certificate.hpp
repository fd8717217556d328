// The server's certificate and key.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "kube/openssl.hpp"

namespace gpuinfer::webhook {

/// A certificate chain and its private key, checked to belong together and not to have expired.
class Certificate {
 public:
  /// Both in PEM; the server's own certificate comes first. Throws Error naming what is wrong with which of the two.
  Certificate(std::string_view chain_pem, std::string_view key_pem);

  /// Makes `connection` present this certificate.
  bool use_for(SSL* connection) const;

  std::chrono::system_clock::time_point not_after() const { return not_after_; }

  /// The server's own certificate, PEM.
  std::string pem() const { return kube::to_pem(leaf_.get()); }

 private:
  std::shared_ptr<X509> leaf_;
  std::shared_ptr<STACK_OF(X509)> intermediates_;
  std::shared_ptr<EVP_PKEY> key_;
  std::chrono::system_clock::time_point not_after_;
};

}  // namespace gpuinfer::webhook
