// Names for requests, to find them in logs.
#pragma once

#include <string>

namespace gpuinfer::server {

/// The client's own X-Request-Id where it is up to 128 printable ASCII characters; else 24 random hexadecimal digits.
std::string request_id(const std::string& header);

}  // namespace gpuinfer::server
