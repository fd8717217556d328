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

/// `configuration` with one bundle in all of its webhooks: the authorities of `bundle`, and behind them those that any
/// of the webhooks has already and that have not expired.
Json with_authorities_added(Json configuration, const std::string& bundle);

}  // namespace gpuinfer::webhook
