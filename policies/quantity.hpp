// Kubernetes quantities: "500m", "2Gi", "1e3" (apimachinery's resource.Quantity).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.hpp"

namespace gpuinfer::policies {

/// The value in whole units, rounded away from zero as resource.Quantity.Value() does. Throws Error where `text` is no
/// quantity or its value does not fit 64 bits.
std::int64_t parse_quantity(std::string_view text);

/// The same for a value of `resources.limits`, which may be a string or a number.
std::int64_t quantity_of(const Json& value);

/// `bytes` with the largest binary suffix that divides it: 2147483648 → "2Gi", 1610612736 → "1536Mi".
std::string format_bytes(std::int64_t bytes);

}  // namespace gpuinfer::policies
