// All checks, one after the other.
#pragma once

#include "plugin/doctor/finding.hpp"
#include "plugin/doctor/webhook_facts.hpp"

namespace gpuinfer::plugin {

/// What every check finds, in a fixed order.
Findings examine(const WebhookFacts& facts);

/// True where nothing has to be done.
bool is_healthy(const Findings& findings);

}  // namespace gpuinfer::plugin
