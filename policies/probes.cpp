// The policy probes: how kubelet finds out that a model server loads, serves or hangs, and how it ends without losing
// requests.
#include <algorithm>
#include <array>

#include "policies/gpu_request.hpp"
#include "policies/policy.hpp"

namespace gpuinfer::policies {

namespace {

constexpr std::int64_t kStartupPeriodSeconds = 5;
/// The API server writes this where a pod names none, before any webhook sees the pod.
constexpr std::int64_t kDefaultGracePeriodSeconds = 30;

/// The port of HTTP: the one that is called so, or else the first of TCP. 0 where the container declares none.
std::int64_t http_port(const Json& container) {
  std::int64_t first = 0;
  for (const Json& port : member(container, "ports")) {
    const Json& number = member(port, "containerPort");
    const std::string protocol = text_at(port, "protocol");
    if (!number.is_number_integer() || (!protocol.empty() && protocol != "TCP")) continue;
    if (text_at(port, "name") == "http") return number.get<std::int64_t>();
    if (first == 0) first = number.get<std::int64_t>();
  }
  return first;
}

/// What the probe at `key` does, without how often it does so; null where there is no such probe.
Json action_of(const Json& container, const char* key) {
  const Json& probe = member(container, key);
  for (const char* action : {"httpGet", "exec", "tcpSocket", "grpc"}) {
    if (const Json& found = member(probe, action); !found.is_null()) return {{action, found}};
  }
  return nullptr;
}

/// The first of these that is there.
Json first_action(std::initializer_list<Json> actions) {
  const auto* found =
      std::find_if(actions.begin(), actions.end(), [](const Json& action) { return !action.is_null(); });
  return found == actions.end() ? Json() : *found;
}

Json probe(Json action, std::int64_t period_seconds, std::int64_t timeout_seconds, std::int64_t failure_threshold) {
  action["periodSeconds"] = period_seconds;
  action["timeoutSeconds"] = timeout_seconds;
  action["failureThreshold"] = failure_threshold;
  return action;
}

/// Fills in the probes of one container and says which. A container's own probes know best what to ask it, so the new
/// ones ask the same; but a liveness probe never asks what was meant for readiness: being busy is no reason to be
/// killed.
void add_probes(Json& container, const Json& default_action, const ProbesSettings& settings,
                std::vector<std::string>& added) {
  const Json startup = action_of(container, "startupProbe");
  const Json readiness = action_of(container, "readinessProbe");
  const Json liveness = action_of(container, "livenessProbe");
  const auto add = [&](const char* key, const Json& action, std::int64_t period, std::int64_t timeout,
                       std::int64_t failures) {
    if (action.is_null() || !member(container, key).is_null()) return;
    container[key] = probe(action, period, timeout, failures);
    added.emplace_back(key);
  };
  const std::int64_t startup_failures = (settings.startup_seconds + kStartupPeriodSeconds - 1) / kStartupPeriodSeconds;
  add("startupProbe", first_action({liveness, readiness, default_action}), kStartupPeriodSeconds, 5, startup_failures);
  add("readinessProbe", first_action({startup, liveness, default_action}), 5, 5, 3);
  if (readiness.is_null()) add("livenessProbe", first_action({startup, default_action}), 10, 10, 6);
}

/// Between the end of the pod's readiness and SIGTERM, so that no request is sent to a server that has stopped
/// listening.
bool add_drain(Json& container, std::int64_t seconds) {
  if (seconds == 0 || !member(member(container, "lifecycle"), "preStop").is_null()) return false;
  container["lifecycle"]["preStop"] = {{"sleep", {{"seconds", seconds}}}};
  return true;
}

void apply(Json& pod, const Context& context, Findings& findings) {
  const ProbesSettings& settings = context.document.probes;
  const std::string& path = context.annotations.probe_path.empty() ? settings.path : context.annotations.probe_path;
  bool has_server = false;
  for (const Container& container : serving_containers(pod, context)) {
    const std::int64_t port = http_port(*container.json);
    if (port == 0 || !container.is_long_running) continue;
    has_server = true;
    const Json default_action = {{"httpGet", {{"path", path}, {"port", port}}}};
    std::vector<std::string> added;
    add_probes(*container.json, default_action, settings, added);
    for (const std::string& key : added) {
      findings.reasons.push_back("adds a " + key + " to container '" + container.name() + "'");
    }
    if (add_drain(*container.json, settings.drain_seconds)) {
      findings.reasons.push_back("lets container '" + container.name() + "' serve for " +
                                 std::to_string(settings.drain_seconds) + " more seconds when the pod ends");
    }
  }
  if (!has_server) return;
  const Json& grace_period = member(pod["spec"], "terminationGracePeriodSeconds");
  const bool is_default = grace_period.is_null() || grace_period == kDefaultGracePeriodSeconds;
  if (!is_default || settings.grace_period_seconds <= kDefaultGracePeriodSeconds) return;
  pod["spec"]["terminationGracePeriodSeconds"] = settings.grace_period_seconds;
  findings.reasons.push_back("gives the pod " + std::to_string(settings.grace_period_seconds) + " seconds to end");
}

}  // namespace

const Policy probes{
    "probes",
    [](const Context& context) { return context.annotations.probes.value_or(context.document.probes.enabled); }, apply};

}  // namespace gpuinfer::policies
