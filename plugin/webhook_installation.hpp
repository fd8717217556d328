// Puts the webhook into a cluster and takes it out again.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "kube/client.hpp"
#include "manifests/webhook.hpp"
#include "plugin/progress.hpp"

namespace gpuinfer::plugin {

/// For an installation with the user's own certificate: reads the authority that the API server is to trust from the
/// Secret's ca.crt. Throws Error where the Secret does not exist, or its certificate would not be accepted.
void read_user_certificate(manifests::WebhookInstall& install, kube::Client& client);

/// Applies the webhook's objects; the MutatingWebhookConfiguration last, once the Deployment is ready (where `wait`),
/// so that no pod is ever sent to nobody. Returns what the API server stored. Throws Error.
std::vector<Json> install_webhook(kube::Client& client, const manifests::WebhookInstall& install, bool wait,
                                  std::chrono::seconds timeout, Progress& progress);

/// The same as a check by the API server, which stores nothing.
std::vector<Json> check_webhook_installation(kube::Client& client, const manifests::WebhookInstall& install,
                                             Progress& progress);

/// Why a pod that asks for injection comes back without it from the client's namespace (a dry run); empty where it does
/// not.
std::string injection_problem(kube::Client& client);

/// Returns once a pod that asks for injection really comes back injected (a dry run). Throws Error after `timeout`,
/// with what went wrong.
void wait_until_injecting(kube::Client& client, std::chrono::seconds timeout, Progress& progress);

/// Deletes the webhook's objects, however it was installed: first the MutatingWebhookConfiguration, and once every API
/// server has noticed, the rest; waits until all are gone. Returns their names, empty where there was nothing. Throws
/// Error.
std::vector<std::string> uninstall_webhook(kube::Client& client, std::chrono::seconds timeout, Progress& progress);

}  // namespace gpuinfer::plugin
