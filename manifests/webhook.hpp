// The objects that install the webhook.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"

namespace gpuinfer::manifests {

inline constexpr char kWebhookNamespace[] = "gpuinfer-system";
inline constexpr char kWebhookName[] = "gpuinfer-webhook";
/// The name that the API server calls, and that the webhook's certificate must hold.
inline constexpr char kWebhookDnsName[] = "gpuinfer-webhook.gpuinfer-system.svc";

/// "ghcr.io/gpuinfer/gpuinfer-webhook:VERSION" of this build.
std::string default_webhook_image();

/// What the API server does with a pod when no webhook answers.
enum class FailurePolicy {
  kIgnore,  ///< admit it unchanged
  kFail,    ///< refuse it
};

/// How the webhook is installed.
struct WebhookInstall {
  std::string image = default_webhook_image();
  int replicas = 2;
  FailurePolicy failure_policy = FailurePolicy::kIgnore;
  Json tolerations = Json::array();  ///< of the webhook's own pods
  std::string policy_yaml;           ///< the policy document
  std::string authorities;           ///< PEM bundle that the API server trusts: current and previous authority
  std::string certificate;           ///< PEM, for kWebhookDnsName
  std::string key;                   ///< PEM
};

/// The objects in apply order; the MutatingWebhookConfiguration is last, so that it can wait until the Deployment is
/// ready. Delete in reverse order: a configuration without its server would hold up every pod under kFail. A change of
/// the policy or the certificate alone starts no pod anew: the webhook reads both again by itself.
std::vector<Json> webhook_objects(const WebhookInstall& install);

}  // namespace gpuinfer::manifests
