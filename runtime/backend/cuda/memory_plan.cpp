#include "runtime/backend/cuda/memory_plan.hpp"

#include <algorithm>
#include <cstdio>

#include "runtime/backend/cuda/kv_pages.hpp"
#include "runtime/backend/cuda/workspace.hpp"

namespace gpuinfer::backend::cuda {
namespace {

/// Of the GPU's memory: 0.45 GiB of an L4's. Not measured.
constexpr std::int64_t kReserveDivisor = 50;

std::string gibibytes(std::int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f GiB", static_cast<double>(bytes) / static_cast<double>(1 << 30));
  return text;
}

/// The largest n up to `most` for which fits(n); 0 where none does. Whatever is smaller than one that fits, fits too.
template <typename Fits>
std::int64_t largest_that_fits(std::int64_t most, const Fits& fits) {
  std::int64_t fitting = 0;
  for (std::int64_t end = most + 1; fitting + 1 < end;) {
    const std::int64_t middle = fitting + (end - fitting) / 2;
    (fits(middle) ? fitting : end) = middle;
  }
  return fitting;
}

std::int64_t reserve_of(const Device& device) { return device.memory_bytes / kReserveDivisor; }

OutOfDeviceMemory too_small(const Device& device, std::int64_t gpus, const MemoryPlan& plan, const KvPlan& kv_plan,
                            std::int64_t tokens_that_fit) {
  const std::string whose = gpus == 1 ? "the GPU's memory" : "the memory of each of " + std::to_string(gpus) + " GPUs";
  const std::string larger = gpus == 1 ? "a larger GPU" : "a larger --tensor-parallel-size, or larger GPUs";
  const std::string setting = kv_plan.setting + " " + std::to_string(tokens_that_fit) + ", ";
  return OutOfDeviceMemory(
      "this needs " + gibibytes(plan.bytes()) + " of " + whose + ", and the " + device.name + " has " +
          gibibytes(device.free_bytes) + " free: weights take " + gibibytes(plan.weights_bytes) + ", the KV cache of " +
          std::to_string(kv_plan.least_tokens) + " tokens " + gibibytes(plan.cache_bytes) + ", the workspace " +
          gibibytes(plan.workspace_bytes) + ", and " + gibibytes(plan.reserve_bytes) + " are kept in reserve",
      "Use " +
          (tokens_that_fit == 0 ? ""
           : gpus == 1          ? setting + "or "
                                : setting) +
          larger + ".");
}

}  // namespace

MemoryPlan plan_memory(std::span<const GpuLoad> gpus, const model::ModelConfig& config, const KvPlan& kv_plan) {
  const auto& [device, weights_bytes] = *std::ranges::min_element(
      gpus, {}, [](const GpuLoad& gpu) { return gpu.device.free_bytes - gpu.weights_bytes - reserve_of(gpu.device); });
  MemoryPlan plan{.weights_bytes = weights_bytes,
                  .workspace_bytes = Workspace::bytes(config, std::ssize(gpus)),
                  .reserve_bytes = reserve_of(device)};
  const std::int64_t left = device.free_bytes - plan.bytes();
  const auto cache_bytes = [&](std::int64_t tokens) { return bytes_of_pages(config, kv_plan.groups(config, tokens)); };
  const std::int64_t pages = largest_that_fits(pages_for(kv_plan.most_tokens), [&](std::int64_t candidate) {
    return cache_bytes(candidate * kPageTokens) <= left;
  });
  const bool suffices = pages >= pages_for(kv_plan.least_tokens);
  plan.kv_groups = kv_plan.groups(config, suffices ? pages * kPageTokens : kv_plan.least_tokens);
  plan.cache_bytes = bytes_of_pages(config, plan.kv_groups);
  if (!suffices) throw too_small(device, std::ssize(gpus), plan, kv_plan, pages * kPageTokens);
  return plan;
}

}  // namespace gpuinfer::backend::cuda
