// Times as the Kubernetes API writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gpuinfer::plugin {

/// Seconds since 1970 of "2026-11-24T18:42:40Z"; nothing where `text` is no such time.
std::optional<std::int64_t> parse_rfc3339(const std::string& text);

/// Seconds since 1970, now.
std::int64_t now_unix_seconds();

}  // namespace gpuinfer::plugin
