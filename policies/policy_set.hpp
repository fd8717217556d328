// All policy documents of a cluster, in their order, and what they add up to for one object.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "policies/policy_document.hpp"

namespace gpuinfer::policies {

/// One YAML stream, which may hold several InjectionPolicy documents.
struct PolicyFile {
  std::string name;  ///< for messages
  std::string text;
};

/// Documents count in their order, over the default document: each writes its settings over those before it for the
/// objects that its selector picks. A document without a selector picks every object.
class PolicySet {
 public:
  /// `base` holds the settings that every object starts with.
  PolicySet(InjectionPolicy base, std::vector<PolicyDocument> documents);

  /// The documents' names in their order; "default" where there are none.
  std::vector<std::string> names() const;
  const std::vector<PolicyDocument>& documents() const { return documents_; }

  /// What `pod` meets. The pod must have passed check_pod(). `request_namespace` counts where it names none itself.
  std::shared_ptr<const InjectionPolicy> policy_for(const Json& pod, std::string_view request_namespace) const;
  /// What objects meet that no selector picks.
  const InjectionPolicy& unselected() const { return *unselected_; }

  /// True where pods may be injected that carry no gpuinfer.dev/inject, so that every pod has to be sent to us.
  bool injects_without_annotation() const;

 private:
  InjectionPolicy base_;
  std::vector<PolicyDocument> documents_;
  std::shared_ptr<const InjectionPolicy> unselected_;
};

/// Reads files in their order and the documents in each file in theirs. No file at all is the default document. Throws
/// YamlError (not YAML) or PolicyDocumentError ("NAME:LINE:COLUMN: …"), also for a file without a document and for two
/// documents of one name.
PolicySet parse_policy_files(const std::vector<PolicyFile>& files);

/// The default document, which is installed unless a user brings others, and its text (default_policy.yaml).
const PolicySet& default_policies();
std::string_view default_policy_text();

}  // namespace gpuinfer::policies
