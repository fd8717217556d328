// `explain`: which fields of a running pod our policies wrote, and why; and why it is not running.
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "base/error.hpp"
#include "kube/resource.hpp"
#include "plugin/cluster_connection.hpp"
#include "plugin/commands/commands.hpp"
#include "plugin/example.hpp"
#include "plugin/explanation.hpp"
#include "plugin/output.hpp"
#include "plugin/policy_documents.hpp"
#include "policies/propagate.hpp"

namespace gpuinfer::plugin {

namespace {

struct ExplainOptions {
  std::string name;
  std::string output;
  PolicyOptions policy;
};

constexpr int kForbidden = 403;

/// The documents that the command line names, or the cluster's, or the default one where those cannot be read.
policies::PolicySet policies_for(kube::Client& client, const PolicyOptions& options) {
  if (!options.paths.empty() || !options.registry.empty()) return load_policies(options).policies;
  try {
    if (const auto installed = installed_policies(client)) return installed->policies;
    std::cerr << "# the webhook is not installed here: explained by the built-in policy document\n";
  } catch (const kube::ApiError& error) {
    if (error.code() != kForbidden) throw;
    std::cerr << "# you may not read the cluster's policy documents: explained by the built-in one\n";
  }
  return policies::default_policies();
}

/// "app=x,tier=y" of a workload's spec.selector.
std::string label_selector(const Json& workload) {
  std::string selector;
  const Json labels = workload.value("/spec/selector/matchLabels"_json_pointer, Json::object());
  for (const auto& [key, value] : labels.items()) {
    selector += (selector.empty() ? "" : ",") + key + "=" + value.get<std::string>();
  }
  return selector;
}

/// The newest pod of a Deployment.
Json newest_pod(kube::Client& client, const std::string& name) {
  const Json deployment = client.get(kube::resource_path("apps/v1", "Deployment", client.namespace_name(), name));
  const Json pods = client.list(kube::resource_path("v1", "Pod", client.namespace_name()),
                                {.labels = label_selector(deployment), .fields = ""});
  const auto& items = pods.at("items");
  const auto created = [](const Json& pod) {
    return pod.value("/metadata/creationTimestamp"_json_pointer, std::string());
  };
  const auto newest = std::max_element(items.begin(), items.end(),
                                       [&](const Json& a, const Json& b) { return created(a) < created(b); });
  if (newest != items.end()) return *newest;
  throw Error("Deployment/" + name + " has no pods",
              "'kubectl get deployment " + name + " -o yaml | kubectl gpuinfer preview -f -' shows what they will be");
}

/// The pod that NAME, pod/NAME or deployment/NAME means.
Json find_pod(kube::Client& client, const std::string& argument) {
  const std::size_t slash = argument.find('/');
  const std::string kind = slash == std::string::npos ? "pod" : argument.substr(0, slash);
  const std::string name = slash == std::string::npos ? argument : argument.substr(slash + 1);
  if (kind == "pod" || kind == "pods" || kind == "po") {
    return client.get(kube::resource_path("v1", "Pod", client.namespace_name(), name));
  }
  if (kind == "deployment" || kind == "deployments" || kind == "deploy") return newest_pod(client, name);
  throw Error("explain does not know the kind '" + kind + "'", "name a pod, or deployment/NAME");
}

/// The pod as its controller made it: what the webhook was shown.
Original original_in_cluster(kube::Client& client, const Json& pod) {
  for (const Json& owner : pod.value("/metadata/ownerReferences"_json_pointer, Json::array())) {
    if (!owner.value("controller", false)) continue;
    const Json reference = {
        {"apiVersion", owner.at("apiVersion")},
        {"kind", owner.at("kind")},
        {"metadata", {{"name", owner.at("name")}, {"namespace", pod.at("metadata").at("namespace")}}}};
    if (!policies::is_workload(reference)) break;
    const std::optional<Json> workload = client.find(client.path_of(reference));
    if (!workload) break;
    const std::vector<Json> pods = policies::pods_of(*workload);
    if (pods.size() != 1) break;
    return {pods.front(), "the template of " + kube::object_name(*workload)};
  }
  return original_of(pod);
}

std::vector<Json> events_of(kube::Client& client, const Json& pod) {
  const std::string uid = pod.value("/metadata/uid"_json_pointer, std::string());
  const Json events = client.list(kube::resource_path("v1", "Event", client.namespace_name()),
                                  {.labels = "", .fields = "involvedObject.uid=" + uid});
  return events.at("items").get<std::vector<Json>>();
}

Json to_json(const Explanation& explanation) {
  Json policies = Json::array();
  for (const PolicyExplanation& policy : explanation.policies) {
    policies.push_back({{"policy", policy.policy},
                        {"state", to_string(policy.state)},
                        {"reasons", policy.reasons},
                        {"fields", policy.fields}});
  }
  Json json = {{"name", explanation.name},
               {"namespace", explanation.namespace_name},
               {"injected", explanation.is_injected},
               {"summary", explanation.summary},
               {"original", explanation.source},
               {"policies", policies}};
  if (!explanation.advice.empty()) json["advice"] = explanation.advice;
  if (!explanation.warnings.empty()) json["warnings"] = explanation.warnings;
  if (!explanation.problem.empty()) json["problem"] = explanation.problem;
  if (!explanation.problem_advice.empty()) json["problemAdvice"] = explanation.problem_advice;
  return json;
}

void print_policy(std::ostream& out, const PolicyExplanation& policy, bool coloured) {
  using State = PolicyExplanation::State;
  const Colour colour = policy.state == State::kDone      ? Colour::kGreen
                        : policy.state == State::kMissing ? Colour::kRed
                                                          : Colour::kDim;
  const std::string state = policy.state == State::kMissing
                                ? "would do this now, and the pod does not have it (made before the policy was?)"
                                : to_string(policy.state);
  out << "\n" << paint(policy.policy, Colour::kBold, coloured) << ": " << paint(state, colour, coloured) << '\n';
  for (const std::string& reason : policy.reasons) out << "  " << reason << '\n';
  for (const std::string& field : policy.fields) out << "    " << paint(field, Colour::kDim, coloured) << '\n';
}

void print_explanation(std::ostream& out, const Explanation& explanation) {
  const bool coloured = wants_colour(STDOUT_FILENO);
  out << paint(explanation.name, Colour::kBold, coloured) << " in namespace " << explanation.namespace_name << ": "
      << explanation.summary << '\n';
  if (!explanation.advice.empty()) out << "  " << explanation.advice << '\n';
  for (const std::string& warning : explanation.warnings) {
    out << paint("warning: ", Colour::kYellow, coloured) << warning << '\n';
  }
  if (!explanation.policies.empty()) out << "Compared with " << explanation.source << ":\n";
  for (const PolicyExplanation& policy : explanation.policies) print_policy(out, policy, coloured);
  if (explanation.problem.empty()) return;
  out << '\n' << paint("Not running: ", Colour::kRed, coloured) << explanation.problem << '\n';
  if (!explanation.problem_advice.empty()) out << "  " << explanation.problem_advice << '\n';
}

void explain_pod(const ExplainOptions& options, const GlobalOptions& global) {
  kube::Client client = connect(global);
  const Json pod = find_pod(client, options.name);
  const policies::PolicySet policies = policies_for(client, options.policy);
  const Explanation explanation = explain(pod, original_in_cluster(client, pod), policies, events_of(client, pod));
  if (options.output.empty()) {
    print_explanation(std::cout, explanation);
  } else {
    print_value(std::cout, to_json(explanation), options.output);
  }
}

}  // namespace

void add_explain_command(CLI::App& program, GlobalOptions& global) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App* command =
      program.add_subcommand("explain", "Say which fields of a pod the policies wrote, why, and what holds it up");
  command->add_option("POD", options->name, "A pod's name, or deployment/NAME for the newest pod of a Deployment")
      ->type_name("")
      ->required();
  add_policy_options(*command, options->policy);
  add_output_option(*command, options->output);
  add_global_options(*command, global);
  add_examples(*command, {{"A pod", "kubectl gpuinfer explain smollm2-135m-7d4b9c-x2x5z"},
                          {"The newest pod of a Deployment", "kubectl gpuinfer explain deployment/smollm2-135m"}});
  command->callback([options, &global] { explain_pod(*options, global); });
}

}  // namespace gpuinfer::plugin
