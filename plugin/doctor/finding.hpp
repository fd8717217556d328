// What a check of `kubectl gpuinfer doctor` has to say.
#pragma once

#include <string>
#include <vector>

namespace gpuinfer::plugin {

enum class Severity {
  kOk,
  kWarning,  ///< works, but not as it should
  kError,    ///< does not work, or will not for long
};

/// One fact about the installation, and what to do about it.
struct Finding {
  std::string check;  ///< "certificates": which check said it
  Severity severity = Severity::kOk;
  std::string what;
  std::string remedy{};  ///< empty with kOk only
};

/// "ok", "warning", "error".
std::string to_string(Severity severity);

using Findings = std::vector<Finding>;

}  // namespace gpuinfer::plugin
