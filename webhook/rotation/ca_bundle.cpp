#include "webhook/rotation/ca_bundle.hpp"

#include "base/base64.hpp"
#include "kube/certificate.hpp"
#include "kube/json_field.hpp"

namespace gpuinfer::webhook {

namespace {

std::string bundle_of(const Json& webhook) {
  return base64_decode(kube::text_at(webhook, "/clientConfig/caBundle")).value_or("");
}

}  // namespace

std::optional<std::string> read_ca_bundle(const Json& configuration) {
  const Json webhooks = configuration.value("webhooks", Json::array());
  if (webhooks.empty()) return std::nullopt;
  const std::string first = bundle_of(webhooks.front());
  for (const Json& webhook : webhooks) {
    if (bundle_of(webhook) != first) return "";
  }
  return first;
}

Json with_ca_bundle(Json configuration, const std::string& bundle) {
  if (!configuration.contains("webhooks")) return configuration;
  for (Json& webhook : configuration["webhooks"]) webhook["clientConfig"]["caBundle"] = base64_encode(bundle);
  return configuration;
}

Json with_authorities_added(Json configuration, const std::string& bundle) {
  std::string present;
  for (const Json& webhook : configuration.value("webhooks", Json::array())) present += bundle_of(webhook);
  return with_ca_bundle(std::move(configuration), kube::merge_authorities(bundle, present));
}

}  // namespace gpuinfer::webhook
