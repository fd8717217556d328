#include "kube/tls.hpp"

#include <arpa/inet.h>

#include <array>

#include "kube/openssl.hpp"

namespace gpuinfer::kube {

namespace {

bool is_ip_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address;
  return inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

/// What `context` was set up with: the name that the server is asked for and must have, and where failures go.
struct Expectation {
  std::string name;
  TlsFailure* failure;
};

/// Frees the Expectation of a context together with the context.
void free_expectation(void*, void* expectation, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<Expectation*>(expectation);
}

int expectation_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_expectation);
  return index;
}

const Expectation& expectation_of(const SSL* ssl) {
  return *static_cast<Expectation*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), expectation_index()));
}

/// OpenSSL asks after each certificate whether it agrees with the verdict; we do, and note the reason.
int on_verify(int accepted, X509_STORE_CTX* store) {
  if (accepted == 1) return accepted;
  const auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const int error = X509_STORE_CTX_get_error(store);
  const Expectation& expectation = expectation_of(ssl);
  std::string reason = std::string("the server's certificate is not accepted: ") + X509_verify_cert_error_string(error);
  if (error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    reason += " (it is not for '" + expectation.name + "')";
  }
  expectation.failure->set(std::move(reason));
  return accepted;
}

void trust(SSL_CTX* context, const std::string& authorities) {
  if (authorities.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    return;
  }
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  for (const CertificatePointer& certificate : read_certificates(authorities)) {
    X509_STORE_add_cert(store, certificate.get());
  }
  // As Go does: each certificate of the bundle is trusted by itself, even one that another one has signed.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
}

void require_name(SSL_CTX* context, const std::string& name) {
  X509_VERIFY_PARAM* parameters = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_hostflags(parameters,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (is_ip_address(name)) {
    X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str());
  } else {
    X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), name.size());
  }
}

void present(SSL_CTX* context, const Credential& credential) {
  const std::vector<CertificatePointer> chain = read_certificates(credential.client_certificate);
  const KeyPointer key = read_private_key(credential.client_key);
  if (SSL_CTX_use_certificate(context, chain.front().get()) != 1 || SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    throw Error("the client certificate and its key do not fit together: " + openssl_reason());
  }
  for (std::size_t i = 1; i < chain.size(); ++i) SSL_CTX_add1_chain_cert(context, chain[i].get());
}

}  // namespace

void set_up_tls(SSL_CTX* context, const std::string& host, const Cluster& cluster, const Credential& credential,
                TlsFailure* failure) {
  const std::string name = cluster.tls_server_name.empty() ? host : cluster.tls_server_name;
  SSL_CTX_set_ex_data(context, expectation_index(), new Expectation{name, failure});
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  if (cluster.insecure_skip_tls_verify) {
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  } else {
    trust(context, cluster.certificate_authority);
    require_name(context, name);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verify);
  }
  if (!credential.client_certificate.empty()) present(context, credential);
}

void set_server_name(SSL* ssl) {
  const std::string& name = expectation_of(ssl).name;
  if (!is_ip_address(name)) SSL_set_tlsext_host_name(ssl, name.c_str());  // RFC 6066 allows no address there
}

}  // namespace gpuinfer::kube
