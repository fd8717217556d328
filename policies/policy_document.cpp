#include "policies/policy_document.hpp"

#include <optional>
#include <utility>

#include "policies/document_section.hpp"

namespace gpuinfer::policies {

namespace {

constexpr const char* kApiVersion = "gpuinfer.dev/v1alpha1";
constexpr const char* kKind = "InjectionPolicy";

LabelRequirement read_label_requirement(DocumentSection section) {
  static const std::map<std::string, LabelRequirement::Operator, std::less<>> operators{
      {"In", LabelRequirement::Operator::kIn},
      {"NotIn", LabelRequirement::Operator::kNotIn},
      {"Exists", LabelRequirement::Operator::kExists},
      {"DoesNotExist", LabelRequirement::Operator::kDoesNotExist}};
  const Grammar operation{[](std::string_view text) { return operators.contains(text); },
                          "In, NotIn, Exists or DoesNotExist"};
  LabelRequirement requirement;
  requirement.key = section.text("key", kLabelKey).value_or("");
  const std::string operator_name = section.text("operator", operation).value_or("");
  if (requirement.key.empty() || operator_name.empty()) section.fail("", "must have a key and an operator");
  requirement.operation = operators.at(operator_name);
  requirement.values = section.texts("values", kLabelValue).value_or(std::vector<std::string>());
  const bool takes_values = operator_name == "In" || operator_name == "NotIn";
  if (takes_values == requirement.values.empty()) {
    section.fail("", takes_values ? "must have values" : "must not have values: its operator compares nothing");
  }
  section.close();
  return requirement;
}

/// The value of a condition; one that lists nothing would hold for nobody or for everybody, depending on the reader.
template <typename List>
List condition(const DocumentSection& section, const char* key, std::optional<List> list) {
  if (!list) return {};
  if (list->empty()) section.fail(key, "must not be empty", "leave it out where any will do");
  return *std::move(list);
}

Selector read_selector(DocumentSection section) {
  Selector selector;
  selector.namespaces = condition(section, "namespaces", section.texts("namespaces", kNamespaceGlob));
  for (const auto& [key, value] :
       condition(section, "matchLabels", section.text_map("matchLabels", kLabelKey, kLabelValue))) {
    selector.labels.push_back({key, LabelRequirement::Operator::kIn, {value}});
  }
  for (const DocumentSection& expression :
       condition(section, "matchExpressions", section.sections("matchExpressions"))) {
    selector.labels.push_back(read_label_requirement(expression));
  }
  selector.images = condition(section, "images", section.texts("images", kImageGlob));
  selector.requests_gpu = section.boolean("requestsGpu");
  section.close();
  if (selector.picks_everything()) {
    section.fail("", "has no condition", "leave the selector out where a document is for every pod");
  }
  return selector;
}

void read_spec(DocumentSection spec, PolicyDocument& document) {
  if (std::optional<DocumentSection> selector = spec.section("selector")) {
    document.selector = read_selector(std::move(*selector));
  }
  document.writes = read_settings(spec);
  if (const auto whom = spec.text("inject", kInjectWhom)) {
    const bool is_selected = *whom == "selected";
    if (is_selected && document.selector.picks_everything()) {
      spec.fail("inject", "must be annotated in a document without a selector",
                "say in spec.selector which pods are injected without being asked for");
    }
    document.injects_selected = is_selected;
    document.writes.push_back([is_selected](InjectionPolicy& policy) { policy.inject_selected = is_selected; });
  }
  spec.close();
}

}  // namespace

PolicyDocument read_policy_document(const YamlDocument& yaml, const std::string& file_name) {
  DocumentSection root(yaml, file_name);
  const auto api_version = root.text("apiVersion", {[](std::string_view v) { return v == kApiVersion; }, kApiVersion});
  const auto kind = root.text("kind", {[](std::string_view v) { return v == kKind; }, kKind});
  if (!api_version || !kind) {
    root.fail("", std::string("must say apiVersion: ") + kApiVersion + " and kind: " + kKind);
  }
  PolicyDocument document;
  if (std::optional<DocumentSection> metadata = root.section("metadata")) {
    document.name = metadata->text("name", kDocumentName).value_or("");
    metadata->close();
  }
  if (document.name.empty()) root.fail("", "must have a metadata.name");
  if (std::optional<DocumentSection> spec = root.section("spec")) read_spec(std::move(*spec), document);
  root.close();
  return document;
}

}  // namespace gpuinfer::policies
