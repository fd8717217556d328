// Text that fits a warning header or an audit annotation.
#pragma once

#include <cstddef>
#include <string>

namespace gpuinfer::webhook {

/// `text` with control characters as blanks, cut to `max_bytes` between two UTF-8 characters ("…" at the end).
std::string one_line(std::string text, std::size_t max_bytes);

}  // namespace gpuinfer::webhook
