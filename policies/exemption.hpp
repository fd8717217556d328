// Objects that are never changed, whatever their annotations say.
#pragma once

#include <string_view>

#include "base/json.hpp"
#include "policies/settings.hpp"

namespace gpuinfer::policies {

/// True for mirror pods and for objects in the namespaces that `policy` excludes. kube-system is always excluded.
/// `request_namespace` counts where the object names no namespace itself.
bool is_exempt(const Json& object, const InjectionPolicy& policy, std::string_view request_namespace);

}  // namespace gpuinfer::policies
