// A Karpenter NodePool that makes GPU nodes on EKS Auto Mode.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"

namespace gpuinfer::manifests {

/// Which nodes, and how many at most.
struct GpuNodePool {
  std::string name = "gpu";
  std::vector<std::string> instance_families = {"g5", "g6", "g6e"};
  std::vector<std::string> capacity_types = {"on-demand"};  ///< "spot", "on-demand", "reserved"
  std::vector<std::string> zones;                           ///< empty: every zone of the NodeClass
  int max_gpus = 4;                                         ///< limit of the pool
  int max_cpu = 192;                                        ///< vCPU of all nodes together, as node capacity
  std::string max_memory = "1536Gi";                        ///< memory of all nodes together, as node capacity
};

/// The NodePool (karpenter.sh/v1, NodeClass eks.amazonaws.com/default).
Json gpu_node_pool(const GpuNodePool& pool);

}  // namespace gpuinfer::manifests
