#include "policies/admit.hpp"

#include "policies/pod.hpp"
#include "policies/propagate.hpp"

namespace gpuinfer::policies {

Injection admit(const Json& object, const PolicySet& policies, std::string_view request_namespace) {
  if (text_at(object, "kind") == "Pod" && text_at(object, "apiVersion") == "v1") {
    return inject(object, policies, request_namespace);
  }
  if (is_workload(object)) return propagate(object, policies, request_namespace);
  Injection injection;
  injection.object = object;
  return injection;
}

}  // namespace gpuinfer::policies
