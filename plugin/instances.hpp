// GPU instances and their prices, and the cheapest one that fits a model.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "plugin/catalogue.hpp"

namespace gpuinfer::plugin {

/// One row of instances.yaml, which explains the fields.
struct Instance {
  std::string type;
  std::string arch;
  std::string gpu;
  double compute_capability = 0;
  int gpus = 0;
  int gpu_memory_mib = 0;
  int vcpus = 0;
  int memory_gib = 0;
  int allocatable_memory_mib = 0;
  int allocatable_cpu_millis = 0;
  std::optional<double> price_per_hour;
};

/// The instances and where and when their prices were read.
struct InstanceTable {
  std::string region;
  std::string price_date;
  std::vector<Instance> instances;
};

/// Reads an instance table. Throws Error with the place of a missing, unknown or mistyped field.
InstanceTable parse_instances(std::string_view yaml, const std::string& file_name);

/// The embedded table (instances.yaml).
const InstanceTable& instance_table();

/// The cheapest instance with a known price whose GPUs hold the model (gpu_memory_bytes() split evenly over
/// model.gpus), whose processor and memory hold the pod's requests, and which our images and kernels run on (amd64,
/// compute capability 8.0 or newer). Nothing where there is none.
std::optional<Instance> cheapest_instance(const InstanceTable& table, const Model& model);

/// The instance as `models describe -o json` shows it.
Json to_json(const Instance& instance);

}  // namespace gpuinfer::plugin
