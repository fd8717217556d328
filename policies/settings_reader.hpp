// The settings in a policy document's `spec`, as writes over the settings of the documents before it.
#pragma once

#include <functional>
#include <vector>

#include "policies/document_section.hpp"
#include "policies/settings.hpp"

namespace gpuinfer::policies {

/// A document does not hold settings but writes them over those of the documents before it, so that what it leaves out
/// stays as it was.
using SettingWrite = std::function<void(InjectionPolicy&)>;

/// Reads every setting of `spec`; other keys are left to the caller. Throws PolicyDocumentError.
std::vector<SettingWrite> read_settings(DocumentSection& spec);

}  // namespace gpuinfer::policies
