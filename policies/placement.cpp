// The policy placement: which nodes a pod may go to, in the words of the labels that EKS Auto Mode or Karpenter give
// them.
#include <algorithm>
#include <array>
#include <string_view>

#include "policies/gpu_request.hpp"
#include "policies/grammars.hpp"
#include "policies/node_affinity.hpp"
#include "policies/policy.hpp"
#include "policies/quantity.hpp"
#include "policies/store.hpp"

namespace gpuinfer::policies {

namespace {

constexpr const char* kAutoModePrefix = "eks.amazonaws.com/";
constexpr const char* kKarpenterPrefix = "karpenter.k8s.aws/";
constexpr const char* kInstanceType = "node.kubernetes.io/instance-type";
constexpr const char* kCapacityType = "karpenter.sh/capacity-type";
constexpr const char* kZoneName = "topology.kubernetes.io/zone";
constexpr const char* kZoneId = "topology.k8s.aws/zone-id";
constexpr std::int64_t kMebibyte = 1 << 20;

/// What is asked of nodes, and by whom.
struct Requirement {
  NodeExpression expression;
  std::vector<std::string> same_labels;  ///< labels by which a pod settles the same question itself
  std::string source;
};

/// The requirements of one pod, as they are gathered.
class Requirements {
 public:
  Requirements(const Context& context) : context_(context) {}

  /// A label that Auto Mode and Karpenter spell with prefixes of their own. A pod that names an instance type has
  /// settled all of them.
  void of_instance(const std::string& label, const char* operation, std::vector<std::string> values,
                   const std::string& source) {
    const Provisioner provisioner = context_.annotations.provisioner.value_or(context_.document.provisioner);
    const char* prefix = provisioner == Provisioner::kAutoMode ? kAutoModePrefix : kKarpenterPrefix;
    all_.push_back({{prefix + label, operation, std::move(values)},
                    {kAutoModePrefix + label, kKarpenterPrefix + label, kInstanceType},
                    source});
  }

  void of_label(const char* label, std::vector<std::string> values, const std::string& source) {
    all_.push_back({{label, "In", std::move(values)}, {label}, source});
  }

  /// Zones by name or by ID, which are labels of their own.
  void of_zones(const std::vector<std::string>& zones, const std::string& source) {
    if (const std::string problem = problem_of_zones(zones); !problem.empty()) throw AnnotationError(problem);
    all_.push_back({{is_zone_id(zones.front()) ? kZoneId : kZoneName, "In", zones}, {kZoneName, kZoneId}, source});
  }

  const std::vector<Requirement>& all() const { return all_; }

 private:
  const Context& context_;
  std::vector<Requirement> all_;
};

/// Cards are sold by gigabytes of 10^9 bytes and asked for by Gi. Measured sizes of what EC2 labels its GPUs with, MiB.
void warn_about_gpu_memory(std::int64_t mebibytes, Findings& findings) {
  struct Card {
    const char* names;
    std::int64_t nominal_mebibytes;
    std::int64_t real_mebibytes;
  };
  constexpr std::array kCards{Card{"A10G and L4", 24576, 22888}, Card{"L40S", 49152, 45776}};
  for (const Card& card : kCards) {
    if (mebibytes <= card.real_mebibytes || mebibytes > card.nominal_mebibytes) continue;
    findings.warnings.push_back("GPUs with " + format_bytes(mebibytes * kMebibyte) + " are asked for: " + card.names +
                                " have " + std::to_string(card.real_mebibytes) + "Mi and are left out");
  }
}

std::vector<std::string> to_texts(const std::vector<std::int64_t>& numbers) {
  std::vector<std::string> texts;
  texts.reserve(numbers.size());
  for (const std::int64_t number : numbers) texts.push_back(std::to_string(number));
  return texts;
}

/// Gt is strict: "at least 5" is "> 4".
std::vector<std::string> at_least(std::int64_t number) { return {std::to_string(number - 1)}; }

void gather(const NodeRequirements& nodes, const std::string& source, Requirements& requirements, Findings& findings) {
  const auto list = [&](const char* label, const std::vector<std::string>& values) {
    if (!values.empty()) requirements.of_instance(label, "In", values, source);
  };
  list("instance-category", nodes.instance_categories);
  list("instance-family", nodes.instance_families);
  if (nodes.instance_generation > 0) {
    requirements.of_instance("instance-generation", "Gt", at_least(nodes.instance_generation), source);
  }
  list("instance-gpu-name", nodes.gpu_names);
  if (nodes.gpu_memory_bytes > 0) {
    const std::int64_t mebibytes = nodes.gpu_memory_bytes / kMebibyte;  // 24G, as cards are sold, is 22888 of them
    warn_about_gpu_memory(mebibytes, findings);
    requirements.of_instance("instance-gpu-memory", "Gt", at_least(mebibytes), source);
  }
  list("instance-gpu-count", to_texts(nodes.gpu_counts));
  if (!nodes.capacity_types.empty()) requirements.of_label(kCapacityType, nodes.capacity_types, source);
  if (!nodes.zones.empty()) requirements.of_zones(nodes.zones, source);
}

/// What `document` asks for where `annotations` ask for nothing else.
NodeRequirements without(NodeRequirements document, const NodeRequirements& annotations) {
  const auto drop = [&](auto NodeRequirements::*member) {
    if (annotations.*member != decltype(annotations.*member){}) document.*member = {};
  };
  drop(&NodeRequirements::instance_categories);
  drop(&NodeRequirements::instance_families);
  drop(&NodeRequirements::instance_generation);
  drop(&NodeRequirements::gpu_names);
  drop(&NodeRequirements::gpu_memory_bytes);
  drop(&NodeRequirements::gpu_counts);
  drop(&NodeRequirements::capacity_types);
  drop(&NodeRequirements::zones);
  return document;
}

/// A zonal store can be mounted in its zone only, and NVMe disks are only in some instances.
void gather_from_storage(const Json& pod, const Context& context, Requirements& requirements) {
  if (!wants_weights(context)) return;
  const WeightsVolume weights = weights_volume(context);
  if (name_of_same_volume(pod, weights).empty()) return;
  if (!weights.zone.empty()) requirements.of_zones({weights.zone}, weights.description);
  if (weights.needs_nvme) requirements.of_instance("instance-local-nvme", "Exists", {}, weights.description);
}

/// A DaemonSet makes a pod for each node that its own template fits; one that fits none of them would stay pending.
bool is_bound_to_a_node(const Json& pod) {
  if (!text_at(member(pod, "spec"), "nodeName").empty()) return true;
  const Json& owners = member(member(pod, "metadata"), "ownerReferences");
  return std::any_of(owners.begin(), owners.end(),
                     [](const Json& owner) { return owner.is_object() && text_at(owner, "kind") == "DaemonSet"; });
}

void apply(Json& pod, const Context& context, Findings& findings) {
  if (is_bound_to_a_node(pod)) return;
  const NodeRequirements& asked_for = context.annotations.nodes;
  Requirements requirements(context);
  gather(asked_for, "an annotation", requirements, findings);
  gather_from_storage(pod, context, requirements);
  if (!gpu_containers(pod, context).empty()) {
    gather(without(context.document.placement.nodes, asked_for), "the policy document", requirements, findings);
  }
  for (const Requirement& requirement : requirements.all()) {
    if (!require(pod, requirement.expression, requirement.same_labels)) continue;
    findings.reasons.push_back("requires a node with " + to_string(requirement.expression) + ": " + requirement.source);
  }
}

}  // namespace

const Policy placement{
    "placement",
    [](const Context& context) { return context.annotations.placement.value_or(context.document.placement.enabled); },
    apply};

}  // namespace gpuinfer::policies
