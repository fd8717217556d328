// The policy hardening: Pod Security "restricted"
// (https://kubernetes.io/docs/concepts/security/pod-security-standards/), where a pod does not say otherwise.
#include <algorithm>
#include <array>

#include "policies/pod.hpp"
#include "policies/policy.hpp"

namespace gpuinfer::policies {

namespace {

/// Sets `key` where it is absent or null; true where it did.
bool fill(Json& object, const char* key, const Json& value) {
  if (!member(object, key).is_null()) return false;
  object[key] = value;
  return true;
}

bool runs_as_root(const Json& security_context) { return member(security_context, "runAsUser") == 0; }

bool adds_capability(const Json& security_context, const char* name) {
  const Json& added = member(member(security_context, "capabilities"), "add");
  return std::find(added.begin(), added.end(), name) != added.end();
}

/// The API server refuses a container that may do anything and may not become more powerful.
bool is_privileged(const Json& security_context) {
  return member(security_context, "privileged") == true || adds_capability(security_context, "SYS_ADMIN") ||
         adds_capability(security_context, "CAP_SYS_ADMIN");
}

void add_reason(const std::string& where, const std::string& what, Findings& findings) {
  if (!what.empty()) findings.reasons.push_back(where + ": " + what);
}

/// What no security context can make up for.
void warn_about_host_access(const Json& pod, Findings& findings) {
  const auto warn = [&](const std::string& what) {
    findings.warnings.push_back("the pod has " + what + ", which Pod Security \"restricted\" does not allow");
  };
  const Json& spec = member(pod, "spec");
  for (const char* key : {"hostNetwork", "hostPID", "hostIPC"}) {
    if (member(spec, key) == true) warn(key);
  }
  for (const Json& volume : member(spec, "volumes")) {
    if (!member(volume, "hostPath").is_null()) warn("the hostPath volume '" + text_at(volume, "name") + "'");
  }
}

void harden_pod(Json& pod, bool has_root, const HardeningSettings& settings, Findings& findings) {
  Json& context = pod["spec"]["securityContext"];
  std::string done;
  const auto note = [&](bool is_set, const std::string& what) {
    if (is_set) done += (done.empty() ? "" : ", ") + what;
  };
  // A container that runs as root would not be started any more.
  if (!has_root) note(fill(context, "runAsNonRoot", true), "runAsNonRoot");
  if (!has_root && settings.run_as_user > 0) {
    note(fill(context, "runAsUser", settings.run_as_user), "runAsUser " + std::to_string(settings.run_as_user));
  }
  note(fill(context, "seccompProfile", {{"type", "RuntimeDefault"}}), "seccompProfile RuntimeDefault");
  add_reason("pod", done, findings);
}

void harden_container(const Container& container, Findings& findings) {
  const Json& own = member(*container.json, "securityContext");
  const std::string where = "container '" + container.name() + "'";
  if (is_privileged(own)) {
    findings.warnings.push_back(where + " is privileged, which Pod Security \"restricted\" does not allow");
    return;
  }
  const bool drops_nothing = member(member(own, "capabilities"), "drop").empty();
  Json& context = (*container.json)["securityContext"];
  std::string done;
  if (fill(context, "allowPrivilegeEscalation", false)) done = "allowPrivilegeEscalation false";
  if (drops_nothing) {
    context["capabilities"]["drop"] = Json::array({"ALL"});
    done += std::string(done.empty() ? "" : ", ") + "capabilities drop ALL";
  }
  add_reason(where, done, findings);
}

void apply(Json& pod, const Context& context, Findings& findings) {
  // On Windows, Linux fields in a security context are an error.
  if (is_windows(pod)) return;
  const std::vector<Container> all = containers(pod);
  const bool has_root = runs_as_root(member(pod["spec"], "securityContext")) ||
                        std::any_of(all.begin(), all.end(), [](const Container& container) {
                          return runs_as_root(member(*container.json, "securityContext"));
                        });
  if (has_root) {
    findings.warnings.push_back("the pod runs as root, which Pod Security \"restricted\" does not allow");
  }
  warn_about_host_access(pod, findings);
  harden_pod(pod, has_root, context.document.hardening, findings);
  for (const Container& container : containers(pod)) harden_container(container, findings);  // anew: they have moved
}

}  // namespace

const Policy hardening{
    "hardening",
    [](const Context& context) { return context.annotations.hardening.value_or(context.document.hardening.enabled); },
    apply};

}  // namespace gpuinfer::policies
