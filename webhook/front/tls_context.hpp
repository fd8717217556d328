// The server's side of TLS.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "webhook/certificate.hpp"
#include "webhook/current.hpp"

namespace gpuinfer::webhook {

struct FreeSslContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using TlsContext = std::unique_ptr<SSL_CTX, FreeSslContext>;

/// TLS 1.2 and newer. Each new connection presents what `certificate` holds at that time, which must outlive the
/// context. Sessions are resumed by tickets, so that the server keeps none. Throws Error.
TlsContext make_tls_context(const Current<Certificate>& certificate);

}  // namespace gpuinfer::webhook
