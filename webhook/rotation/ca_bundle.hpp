// Whom the API server trusts when it calls the webhook: clientConfig.caBundle of the MutatingWebhookConfiguration.
#pragma once

#include <optional>
#include <string>

#include "base/json.hpp"

namespace gpuinfer::webhook {

/// The PEM bundle that all webhooks of `configuration` have; empty where they differ, have none, or one that is no
/// base64. Nothing where there are no webhooks.
std::optional<std::string> read_ca_bundle(const Json& configuration);

/// `configuration` with `bundle` in each of its webhooks.
Json with_ca_bundle(Json configuration, const std::string& bundle);

/// `configuration` with the authorities of `bundle` in each of its webhooks, in front of those that are there already
/// and have not expired.
Json with_authorities_added(Json configuration, const std::string& bundle);

}  // namespace gpuinfer::webhook
