// Reads instances.yaml and chooses from it.
#include "plugin/instances.hpp"

#include "base/yaml.hpp"
#include "plugin/embedded.hpp"
#include "plugin/yaml_record.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr double kMinimumComputeCapability = 8.0;

Instance parse_instance(YamlRecord record) {
  Instance instance;
  instance.type = record.take<std::string>("type");
  instance.arch = record.take<std::string>("arch");
  instance.gpu = record.take<std::string>("gpu");
  instance.compute_capability = record.take<double>("compute_capability");
  instance.gpus = record.take<int>("gpus");
  instance.gpu_memory_mib = record.take<int>("gpu_memory_mib");
  instance.vcpus = record.take<int>("vcpus");
  instance.memory_gib = record.take<int>("memory_gib");
  instance.allocatable_memory_mib = record.take<int>("allocatable_memory_mib");
  instance.allocatable_cpu_millis = record.take<int>("allocatable_cpu_millis");
  if (record.has("price_per_hour")) instance.price_per_hour = record.take<double>("price_per_hour");
  record.finish();
  return instance;
}

bool fits(const Instance& instance, const Model& model) {
  const std::uint64_t bytes_per_gpu = gpu_memory_bytes(model) / static_cast<std::uint64_t>(model.gpus);
  return instance.arch == "amd64" && instance.compute_capability >= kMinimumComputeCapability &&
         instance.gpus >= model.gpus && static_cast<std::uint64_t>(instance.gpu_memory_mib) << 20 >= bytes_per_gpu &&
         instance.allocatable_cpu_millis >= model.cpu_millis && instance.allocatable_memory_mib >= model.memory_mib;
}

}  // namespace

InstanceTable parse_instances(std::string_view yaml, const std::string& file_name) {
  const std::vector<YamlDocument> documents = parse_yaml(yaml, file_name);
  if (documents.size() != 1) throw Error(file_name + ": expected one document");
  YamlRecord root(documents[0], file_name, "");
  YamlRecord prices = root.record("prices");
  InstanceTable table{
      .region = prices.take<std::string>("region"), .price_date = prices.take<std::string>("date"), .instances = {}};
  prices.finish();
  const std::size_t count = root.take<Json>("instances").size();
  for (std::size_t i = 0; i < count; ++i) {
    table.instances.push_back(parse_instance(YamlRecord(documents[0], file_name, "/instances/" + std::to_string(i))));
  }
  root.finish();
  return table;
}

const InstanceTable& instance_table() {
  static const InstanceTable table = parse_instances(embedded::instances_yaml, "instances.yaml");
  return table;
}

std::optional<Instance> cheapest_instance(const InstanceTable& table, const Model& model) {
  std::optional<Instance> cheapest;
  for (const Instance& instance : table.instances) {
    if (!instance.price_per_hour || !fits(instance, model)) continue;
    if (!cheapest || *instance.price_per_hour < *cheapest->price_per_hour) cheapest = instance;
  }
  return cheapest;
}

Json to_json(const Instance& instance) {
  Json json = {{"type", instance.type},   {"gpu", instance.gpu},
               {"gpus", instance.gpus},   {"gpuMemoryMib", instance.gpu_memory_mib},
               {"vcpus", instance.vcpus}, {"memoryGib", instance.memory_gib}};
  if (instance.price_per_hour) json["pricePerHour"] = *instance.price_per_hour;
  return json;
}

}  // namespace gpuinfer::plugin
