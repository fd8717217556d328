// Parses tolerations.
#include "plugin/toleration.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.hpp"

namespace gpuinfer::plugin {

Json parse_toleration(const std::string& text) {
  constexpr std::array<std::string_view, 3> kEffects = {"NoSchedule", "PreferNoSchedule", "NoExecute"};
  const Error invalid("'" + text + "' is not a toleration",
                      "write it as key[=value][:effect], with the effect NoSchedule, PreferNoSchedule or NoExecute");
  const std::size_t colon = text.find(':');
  const std::string taint = text.substr(0, colon);
  const std::size_t equals = taint.find('=');
  const std::string key = taint.substr(0, equals);
  if (key.empty()) throw invalid;
  Json toleration = {{"key", key}};
  if (equals == std::string::npos) {
    toleration["operator"] = "Exists";
  } else {
    toleration["operator"] = "Equal";
    toleration["value"] = taint.substr(equals + 1);
  }
  if (colon != std::string::npos) {
    const std::string effect = text.substr(colon + 1);
    if (std::find(kEffects.begin(), kEffects.end(), effect) == kEffects.end()) throw invalid;
    toleration["effect"] = effect;
  }
  return toleration;
}

}  // namespace gpuinfer::plugin
