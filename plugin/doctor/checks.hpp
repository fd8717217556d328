// The checks of `kubectl gpuinfer doctor`: pure functions over what was read from the cluster. A new check is a
// function here and a line in doctor.cpp.
#pragma once

#include "plugin/doctor/finding.hpp"
#include "plugin/doctor/webhook_facts.hpp"

namespace gpuinfer::plugin {

/// Is the configuration there, and does it send the right requests in the right way?
Findings check_configuration(const WebhookFacts& facts);

/// Would the API server accept what each replica serves, and for how much longer?
Findings check_certificates(const WebhookFacts& facts);

/// Do enough replicas run, and does the Service lead to them?
Findings check_replicas(const WebhookFacts& facts);

/// Are the policy documents in the ConfigMap sound, and in force in every replica?
Findings check_policies(const WebhookFacts& facts);

/// Does a pod that asks for injection get it, and did those that exist?
Findings check_injection(const WebhookFacts& facts);

/// Do other people's webhooks change pods after ours, and is the API server new enough?
Findings check_surroundings(const WebhookFacts& facts);

}  // namespace gpuinfer::plugin
