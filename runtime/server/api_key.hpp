// Whether a request carries the server's API key.
#pragma once

#include <string>
#include <string_view>

namespace gpuinfer::server {

/// `authorization` is the header's value, "Bearer KEY". Takes the same time for every wrong key of the right length.
/// Throws ApiError (401).
void check_api_key(std::string_view authorization, const std::string& api_key);

}  // namespace gpuinfer::server
