// The cheapest instance for a model.
#include "plugin/instances.hpp"

#include "catch.hpp"

namespace gpuinfer::plugin {

namespace {

Model model_of(std::uint64_t weights_bytes) {
  Model model;
  model.weights_bytes = weights_bytes;
  model.context_tokens = 4096;
  model.gpus = 1;
  model.cpu_millis = 1000;
  model.memory_mib = 1024;
  return model;
}

constexpr std::uint64_t kGiB = 1ull << 30;

}  // namespace

TEST_CASE("gpt-oss goes on the instances that the reference names") {
  const auto small = cheapest_instance(instance_table(), find_model("openai/gpt-oss-20b"));
  REQUIRE(small);
  CHECK(small->type == "g6.xlarge");
  CHECK(small->price_per_hour == Approx(0.8048));
  const auto large = cheapest_instance(instance_table(), find_model("openai/gpt-oss-120b"));
  REQUIRE(large);
  CHECK(large->gpu_memory_mib >= 80000);
}

TEST_CASE("GPUs that our kernels do not run on are not chosen, however cheap") {
  const auto instance = cheapest_instance(instance_table(), model_of(1 * kGiB));
  REQUIRE(instance);
  CHECK(instance->compute_capability >= 8.0);
  CHECK(instance->arch == "amd64");
}

TEST_CASE("the pod's requests and the number of GPUs count too") {
  Model model = model_of(1 * kGiB);
  model.memory_mib = 100 * 1024;
  REQUIRE(cheapest_instance(instance_table(), model));
  CHECK(cheapest_instance(instance_table(), model)->allocatable_memory_mib >= model.memory_mib);
  model = model_of(80 * kGiB);
  model.gpus = 4;
  REQUIRE(cheapest_instance(instance_table(), model));
  CHECK(cheapest_instance(instance_table(), model)->gpus >= 4);
}

TEST_CASE("a model that fits nowhere has no instance") {
  CHECK_FALSE(cheapest_instance(instance_table(), model_of(10000 * kGiB)));
}

TEST_CASE("an instance without a price is never the cheapest") {
  const auto table = parse_instances(
      "prices: {region: r, date: d}\n"
      "instances:\n"
      "- {type: a, arch: amd64, gpu: l4, compute_capability: 8.9, gpus: 1, gpu_memory_mib: 24000, vcpus: 4, "
      "memory_gib: 16,"
      " allocatable_memory_mib: 14000, allocatable_cpu_millis: 3900}\n",
      "i.yaml");
  CHECK_FALSE(cheapest_instance(table, model_of(1 * kGiB)));
}

}  // namespace gpuinfer::plugin
