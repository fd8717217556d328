// Settings as the InjectionPolicy document that says all of them: what several documents add up to.
#pragma once

#include "base/json.hpp"
#include "policies/settings.hpp"

namespace gpuinfer::policies {

/// A document without a selector; reading it gives `policy` again.
Json effective_document(const InjectionPolicy& policy);

}  // namespace gpuinfer::policies
