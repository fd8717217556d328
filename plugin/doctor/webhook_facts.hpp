// What `doctor` knows about the webhook: read from the cluster once, judged by the checks without asking again.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "kube/client.hpp"
#include "policies/policy_set.hpp"

namespace gpuinfer::plugin {

/// What one of the webhook's pods says about itself.
struct ReplicaFacts {
  std::string pod;
  Json status = {};           ///< its /status; null where it did not answer
  std::string unreachable{};  ///< why not
};

struct WebhookFacts {
  std::string api_server_version;          ///< "v1.36.3"
  std::optional<Json> configuration;       ///< our MutatingWebhookConfiguration
  std::vector<Json> other_configurations;  ///< everybody else's
  std::optional<Json> deployment;
  std::vector<Json> endpoint_slices;            ///< of our Service
  std::vector<ReplicaFacts> replicas;           ///< the pods that run
  std::optional<policies::PolicySet> policies;  ///< of the ConfigMap, where it is there and sound
  std::string policy_problem{};                 ///< why not
  std::vector<Json> pods_that_ask;              ///< pods anywhere that carry gpuinfer.dev/inject: "true"
  std::string probe_problem{};                  ///< why a pod that asks for injection came back unchanged; "" if not
  std::chrono::sys_seconds now;
};

/// Asks the cluster; creates nothing (the probe is a dry run in the client's namespace). Throws Error where the API
/// server cannot be reached or the user may not read what is needed.
WebhookFacts gather_webhook_facts(kube::Client& client);

}  // namespace gpuinfer::plugin
