// The promises of admission, for any object and any policies.
#pragma once

#include <string_view>

#include "base/json.hpp"
#include "policies/policy_set.hpp"

namespace gpuinfer::fuzz {

/// Admits `object` twice: the patch makes the injected object, and the second time nothing is left to do.
void check_admission(const Json& object, const policies::PolicySet& policies, std::string_view request_namespace);

}  // namespace gpuinfer::fuzz
