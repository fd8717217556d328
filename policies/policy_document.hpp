// One InjectionPolicy document: which objects it picks, and the settings that it writes.
#pragma once

#include <string>
#include <vector>

#include "base/yaml.hpp"
#include "policies/selector.hpp"
#include "policies/settings_reader.hpp"

namespace gpuinfer::policies {

/// One `kind: InjectionPolicy` document.
struct PolicyDocument {
  std::string name;               ///< metadata.name
  Selector selector;              ///< which objects it is about
  bool injects_selected = false;  ///< it says that those objects need no gpuinfer.dev/inject
  std::vector<SettingWrite> writes;
};

/// Checks and reads `document`; `file_name` is for messages. Unknown keys are errors. Throws PolicyDocumentError.
PolicyDocument read_policy_document(const YamlDocument& document, const std::string& file_name);

}  // namespace gpuinfer::policies
