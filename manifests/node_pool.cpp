#include "manifests/node_pool.hpp"

#include "manifests/embedded.hpp"
#include "manifests/template.hpp"

namespace gpuinfer::manifests {

Json gpu_node_pool(const GpuNodePool& pool) {
  Json zone_requirement;  // null leaves it out
  if (!pool.zones.empty()) {
    zone_requirement = {{"key", "topology.kubernetes.io/zone"}, {"operator", "In"}, {"values", pool.zones}};
  }
  return render_template(embedded::gpu_node_pool_yaml, "gpu_node_pool.yaml",
                         {{"name", pool.name},
                          {"instance_families", pool.instance_families},
                          {"capacity_types", pool.capacity_types},
                          {"zone_requirement", zone_requirement},
                          {"max_cpu", pool.max_cpu},
                          {"max_memory", pool.max_memory},
                          {"max_gpus", pool.max_gpus}});
}

}  // namespace gpuinfer::manifests
