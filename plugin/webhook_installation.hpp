// Puts the webhook into a cluster and takes it out again.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "kube/client.hpp"
#include "manifests/webhook.hpp"
#include "plugin/progress.hpp"

namespace gpuinfer::plugin {

/// The authority and certificate for an installation: those of `secret` (the Secret of an earlier one; may be null)
/// where they are good for another month, else new ones, with the old authority still trusted while the new certificate
/// spreads. Fills in `install`; true where they are new.
bool fill_in_certificates(manifests::WebhookInstall& install, const Json& secret);

/// Applies the webhook's objects; the MutatingWebhookConfiguration last, once the Deployment is ready (where `wait`),
/// so that no pod is ever sent to nobody. Returns what the API server stored. Throws Error.
std::vector<Json> install_webhook(kube::Client& client, const manifests::WebhookInstall& install, bool wait,
                                  std::chrono::seconds timeout, Progress& progress);

/// The same as a check by the API server, which stores nothing.
std::vector<Json> check_webhook_installation(kube::Client& client, const manifests::WebhookInstall& install,
                                             Progress& progress);

/// Returns once a pod that asks for injection really comes back injected (a dry run). Throws Error after `timeout`,
/// with what went wrong.
void wait_until_injecting(kube::Client& client, std::chrono::seconds timeout, Progress& progress);

/// Deletes the webhook's objects, the MutatingWebhookConfiguration first, and waits until they are gone. Returns their
/// names, empty where there was nothing. Throws Error.
std::vector<std::string> uninstall_webhook(kube::Client& client, std::chrono::seconds timeout, Progress& progress);

}  // namespace gpuinfer::plugin
