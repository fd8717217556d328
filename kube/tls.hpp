// How we know the API server, and how it knows us: OpenSSL's settings for one connection.
#pragma once

#include <openssl/ssl.h>

#include <string>

#include "kube/credentials.hpp"
#include "kube/kubeconfig.hpp"

namespace gpuinfer::kube {

/// Keeps what was found wrong with a server's certificate; OpenSSL's callbacks fill it in.
class TlsFailure {
 public:
  void set(std::string reason) { reason_ = std::move(reason); }

  /// Empty where nothing was.
  const std::string& reason() const { return reason_; }

 private:
  std::string reason_;
};

/// Sets `context` up for `cluster` at `host`: whom to trust, which name the server must have, and the client
/// certificate of `credential`. `failure` must outlive `context`. Throws Error for certificates that do not parse, or a
/// key of another certificate.
void set_up_tls(SSL_CTX* context, const std::string& host, const Cluster& cluster, const Credential& credential,
                TlsFailure* failure);

/// Asks for the server (SNI) that the context of `ssl` was set up for.
void set_server_name(SSL* ssl);

}  // namespace gpuinfer::kube
