#include "webhook/rotation/tls_secret.hpp"

#include "base/base64.hpp"
#include "kube/json_field.hpp"

namespace gpuinfer::webhook {

namespace {

/// Calls `visit(key of the Secret's data, field)` for each entry, so that reading and writing name them once.
template <typename Secret, typename Visit>
void for_each_entry(Secret& state, const Visit& visit) {
  visit("ca.crt", state.authority.certificate);
  visit("ca.key", state.authority.key);
  visit("next-ca.crt", state.next_authority.certificate);
  visit("next-ca.key", state.next_authority.key);
  visit("tls.crt", state.server.certificate);
  visit("tls.key", state.server.key);
  visit("retired.crt", state.retired);
}

/// A Secret of type kubernetes.io/tls must have these, be they empty.
bool is_required(std::string_view key) { return key == "tls.crt" || key == "tls.key"; }

}  // namespace

TlsSecret read_tls_secret(const Json& secret) {
  TlsSecret state;
  for_each_entry(state, [&](const std::string& key, std::string& value) {
    value = base64_decode(kube::text_at(secret, "/data/" + key)).value_or("");
  });
  return state;
}

Json with_tls_secret(Json secret, const TlsSecret& state) {
  Json& data = secret["data"];
  if (!data.is_object()) data = Json::object();
  for_each_entry(state, [&](const std::string& key, const std::string& value) {
    if (value.empty() && !is_required(key)) {
      data.erase(key);
    } else {
      data[key] = base64_encode(value);
    }
  });
  return secret;
}

}  // namespace gpuinfer::webhook
