#include "policies/policy_set.hpp"

#include <algorithm>
#include <utility>

#include "base/yaml.hpp"
#include "policies/document_section.hpp"
#include "policies/embedded.hpp"

namespace gpuinfer::policies {

namespace {

constexpr const char* kDefaultFileName = "default_policy.yaml";

std::vector<PolicyDocument> read_file_documents(const PolicyFile& file) {
  std::vector<PolicyDocument> documents;
  for (const YamlDocument& document : parse_yaml(file.text, file.name)) {
    documents.push_back(read_policy_document(document, file.name));
  }
  if (documents.empty()) {
    throw PolicyDocumentError(file.name + ":1:1: holds no InjectionPolicy document",
                              "start from the default document in docs/policies.md");
  }
  return documents;
}

/// The settings that every document is written over, whose name no pod shows where another document counts.
const InjectionPolicy& default_settings() {
  static const InjectionPolicy settings = [] {
    InjectionPolicy policy;
    const PolicyFile file{kDefaultFileName, std::string(default_policy_text())};
    for (const PolicyDocument& document : read_file_documents(file)) {
      for (const SettingWrite& write : document.writes) write(policy);
    }
    return policy;
  }();
  return settings;
}

void write_over(InjectionPolicy& policy, const PolicyDocument& document) {
  for (const SettingWrite& write : document.writes) write(policy);
  policy.name += (policy.name.empty() ? "" : "+") + document.name;
}

}  // namespace

PolicySet::PolicySet(InjectionPolicy base, std::vector<PolicyDocument> documents)
    : base_(std::move(base)), documents_(std::move(documents)) {
  InjectionPolicy policy = base_;
  for (const PolicyDocument& document : documents_) {
    if (document.selector.picks_everything()) write_over(policy, document);
  }
  if (policy.name.empty()) policy.name = "default";
  unselected_ = std::make_shared<const InjectionPolicy>(std::move(policy));
}

std::vector<std::string> PolicySet::names() const {
  std::vector<std::string> names;
  names.reserve(documents_.size());
  for (const PolicyDocument& document : documents_) names.push_back(document.name);
  if (names.empty()) names.emplace_back("default");
  return names;
}

std::shared_ptr<const InjectionPolicy> PolicySet::policy_for(const Json& pod,
                                                             std::string_view request_namespace) const {
  std::vector<const PolicyDocument*> chosen;
  const std::vector<std::string>& gpu_keys = unselected_->gpu_toleration.keys;
  bool is_selected = false;
  for (const PolicyDocument& document : documents_) {
    const bool is_for_all = document.selector.picks_everything();
    if (!is_for_all && !document.selector.picks(pod, request_namespace, gpu_keys)) continue;
    is_selected = is_selected || !is_for_all;
    chosen.push_back(&document);
  }
  if (!is_selected) return unselected_;
  auto policy = std::make_shared<InjectionPolicy>(base_);
  for (const PolicyDocument* document : chosen) write_over(*policy, *document);
  return policy;
}

bool PolicySet::injects_without_annotation() const {
  return std::any_of(documents_.begin(), documents_.end(),
                     [](const PolicyDocument& document) { return document.injects_selected; });
}

PolicySet parse_policy_files(const std::vector<PolicyFile>& files) {
  std::vector<PolicyDocument> documents;
  for (const PolicyFile& file : files) {
    for (PolicyDocument& document : read_file_documents(file)) {
      const auto twin = std::find_if(documents.begin(), documents.end(),
                                     [&](const PolicyDocument& other) { return other.name == document.name; });
      if (twin != documents.end()) {
        throw PolicyDocumentError(file.name + ":1:1: there are two documents of the name '" + document.name + "'",
                                  "give each document a metadata.name of its own");
      }
      documents.push_back(std::move(document));
    }
  }
  return PolicySet(default_settings(), std::move(documents));
}

const PolicySet& default_policies() {
  static const PolicySet policies = parse_policy_files({});
  return policies;
}

std::string_view default_policy_text() { return embedded::default_policy_yaml; }

}  // namespace gpuinfer::policies
