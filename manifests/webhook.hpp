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
/// Where the certificate is, unless the user brings one.
inline constexpr char kWebhookSecret[] = "gpuinfer-webhook-tls";

/// "ghcr.io/gpuinfer/gpuinfer-webhook:VERSION" of this build.
std::string default_webhook_image();

/// What the API server does with a pod when no webhook answers.
enum class FailurePolicy {
  kIgnore,  ///< admit it unchanged
  kFail,    ///< refuse it
};

/// Who looks after the webhook's certificate.
enum class Certificates {
  kSelf,         ///< the webhook, in kWebhookSecret
  kCertManager,  ///< cert-manager, in kWebhookSecret
  kSecret,       ///< the user, in a Secret of any name
};

/// How the webhook is installed.
struct WebhookInstall {
  std::string image = default_webhook_image();
  int replicas = 2;
  FailurePolicy failure_policy = FailurePolicy::kIgnore;
  std::vector<std::string> excluded_namespaces;  ///< besides those without which no cluster works
  Json tolerations = Json::array();              ///< of the webhook's own pods
  std::string policy_yaml;                       ///< the policy documents
  bool asked_about_every_pod = false;            ///< the policies may inject pods that do not ask for it
  Certificates certificates = Certificates::kSelf;
  std::string secret = kWebhookSecret;  ///< kSecret: the user's, with tls.crt and tls.key
  std::string ca_bundle;                ///< kSecret: PEM, whom the API server trusts
};

/// The objects in apply order; the MutatingWebhookConfiguration is last, so that it can wait until the Deployment is
/// ready. Delete in reverse order: a configuration without its server would hold up every pod under kFail. A change of
/// the policy or the certificate alone starts no pod anew: the webhook reads both again by itself. Where the webhook or
/// cert-manager looks after the certificate, the configuration has no caBundle: it is theirs to fill in.
std::vector<Json> webhook_objects(const WebhookInstall& install);

/// kSelf: the empty Secret that the webhook fills in. Only to be created, never applied: what it holds is the
/// webhook's.
Json webhook_secret();

/// Every object that any installation consists of, in the order in which to delete them. Without their contents.
std::vector<Json> all_webhook_objects();

}  // namespace gpuinfer::manifests
