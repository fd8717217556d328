// One InjectionPolicy document: which objects it picks, and the settings that it writes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/yaml.hpp"
#include "policies/selector.hpp"
#include "policies/settings.hpp"

namespace gpuinfer::policies {

/// A document does not hold settings but writes them over those of the documents before it, so that what it leaves out
/// stays as it was.
using SettingWrite = std::function<void(InjectionPolicy&)>;

/// One `kind: InjectionPolicy` document.
struct PolicyDocument {
  std::string name;   ///< metadata.name
  Selector selector;  ///< which objects it is about
  std::vector<SettingWrite> writes;
};

/// Checks and reads `document`; `file_name` is for messages. Unknown keys are errors. Throws PolicyDocumentError.
PolicyDocument read_policy_document(const YamlDocument& document, const std::string& file_name);

}  // namespace gpuinfer::policies
