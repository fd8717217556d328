// Base64 as Kubernetes uses it for bytes inside JSON and YAML.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gpuinfer {

std::string base64_encode(std::string_view bytes);

/// Nothing where `text` is not base64; line breaks in it are skipped.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace gpuinfer
