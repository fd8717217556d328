// The one entry for objects of any kind: pods are injected, workloads propagate, everything else is left alone.
#pragma once

#include <string_view>

#include "base/json.hpp"
#include "policies/inject.hpp"

namespace gpuinfer::policies {

/// inject() for a v1 Pod, propagate() for a workload, kUntouched for any other object.
Injection admit(const Json& object, const PolicySet& policies, std::string_view request_namespace = {});

}  // namespace gpuinfer::policies
