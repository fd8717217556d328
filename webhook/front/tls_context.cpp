#include "webhook/front/tls_context.hpp"

#include "base/error.hpp"

namespace gpuinfer::webhook {

namespace {

int present_certificate(SSL* connection, void* certificate) {
  return static_cast<const Current<Certificate>*>(certificate)->get()->use_for(connection) ? 1 : 0;
}

}  // namespace

TlsContext make_tls_context(const Current<Certificate>& certificate) {
  TlsContext context(SSL_CTX_new(TLS_server_method()));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) {
    throw Error("OpenSSL gives no TLS context");
  }
  SSL_CTX_set_cert_cb(context.get(), present_certificate, const_cast<Current<Certificate>*>(&certificate));
  // An idle connection gives its 34 KiB of buffers back; a write that was taken in part goes on from where it is.
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 1);
  return context;
}

}  // namespace gpuinfer::webhook
