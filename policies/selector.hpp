// Selectors: which objects a policy document is about.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace gpuinfer::policies {

/// True where all of `text` fits `pattern`, in which "*" stands for any characters, none included.
bool fits_glob(std::string_view text, std::string_view pattern);

/// One of Kubernetes' label selector requirements; `values` is empty for kExists and kDoesNotExist.
struct LabelRequirement {
  enum class Operator { kIn, kNotIn, kExists, kDoesNotExist };
  std::string key;
  Operator operation = Operator::kExists;
  std::vector<std::string> values;
};

/// Every condition that is given has to hold.
struct Selector {
  std::vector<std::string> namespaces;  ///< globs, one of which fits the pod's namespace
  std::vector<LabelRequirement> labels;
  std::vector<std::string> images;  ///< globs, one of which fits one of the pod's images
  std::optional<bool> requests_gpu;

  bool picks_everything() const;
  /// `pod` must have passed check_pod(); `request_namespace` counts where it names none itself; `gpu_keys` are the
  /// resources that count as GPUs.
  bool picks(const Json& pod, std::string_view request_namespace, const std::vector<std::string>& gpu_keys) const;
};

}  // namespace gpuinfer::policies
