// What the replicas serve against what the API server trusts.
#include <set>

#include "base/base64.hpp"
#include "kube/certificate.hpp"
#include "kube/json_field.hpp"
#include "manifests/webhook.hpp"
#include "plugin/doctor/checks.hpp"
#include "plugin/output.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr char kCheck[] = "certificates";
constexpr char kRemedy[] =
    "the webhook's log says what keeps it from looking after its certificates: kubectl logs -n gpuinfer-system "
    "deployment/gpuinfer-webhook; with certificates of your own, run 'kubectl gpuinfer install --certificates "
    "secret=NAME' again";
/// A certificate that has less than this left should have been renewed: by default it is when 30 days are left.
constexpr std::chrono::days kTooShort{7};

std::set<std::string> bundles_of(const Json& configuration) {
  std::set<std::string> bundles;
  for (const Json& webhook : configuration.value("webhooks", Json::array())) {
    bundles.insert(base64_decode(kube::text_at(webhook, "/clientConfig/caBundle")).value_or(""));
  }
  return bundles;
}

Finding judge(const ReplicaFacts& replica, const std::string& bundle, const WebhookFacts& facts) {
  const std::string served = kube::text_at(replica.status, "/certificate/pem");
  const std::string error = kube::text_at(replica.status, "/certificate/error");
  if (!error.empty()) {
    return {kCheck, Severity::kError, replica.pod + " cannot use its new certificate: " + error, kRemedy};
  }
  try {
    if (!kube::is_trusted(served, bundle, manifests::kWebhookDnsName, facts.now)) {
      return {kCheck, Severity::kError,
              "the API server refuses the certificate of " + replica.pod + ": the caBundle does not vouch for it now",
              kRemedy};
    }
    const auto left = kube::inspect_certificates(served).front().not_after - facts.now;
    const std::string age = format_age(std::chrono::duration_cast<std::chrono::seconds>(left).count());
    if (left < kTooShort) {
      return {kCheck, Severity::kWarning, "the certificate of " + replica.pod + " expires in " + age, kRemedy};
    }
    return {kCheck, Severity::kOk, replica.pod + ": trusted, for another " + age};
  } catch (const Error& unreadable) {
    return {kCheck, Severity::kError, replica.pod + ": " + unreadable.what(), kRemedy};
  }
}

}  // namespace

Findings check_certificates(const WebhookFacts& facts) {
  if (!facts.configuration) return {};
  const std::set<std::string> bundles = bundles_of(*facts.configuration);
  if (bundles.empty() || bundles.contains("")) {
    return {
        {kCheck, Severity::kError, "the configuration has no caBundle: the API server refuses every answer", kRemedy}};
  }
  Findings findings;
  for (const ReplicaFacts& replica : facts.replicas) {
    if (replica.status.is_null()) continue;
    for (const std::string& bundle : bundles) findings.push_back(judge(replica, bundle, facts));
  }
  return findings;
}

}  // namespace gpuinfer::plugin
