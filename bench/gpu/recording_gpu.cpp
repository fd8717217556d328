// Both seams between the backend and a GPU: device.hpp, and the launches that ptx/host_twin.hpp stands for.
#include "bench/gpu/recording_gpu.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <any>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "runtime/backend/cuda/activation.hpp"
#include "runtime/backend/cuda/attention_plan.hpp"
#include "runtime/backend/cuda/communicator.hpp"
#include "runtime/backend/cuda/embedding.hpp"
#include "runtime/backend/cuda/expert_product.hpp"
#include "runtime/backend/cuda/expert_sum.hpp"
#include "runtime/backend/cuda/fused_qkv.hpp"
#include "runtime/backend/cuda/fused_router.hpp"
#include "runtime/backend/cuda/product.hpp"
#include "runtime/backend/cuda/ptx/host_twin.hpp"
#include "runtime/backend/cuda/rms_norm.hpp"
#include "runtime/backend/cuda/rope.hpp"
#include "runtime/backend/cuda/router.hpp"
#include "runtime/backend/cuda/sampling.hpp"
#include "runtime/backend/cuda/select_rows.hpp"

namespace gpuinfer::bench {
namespace {

using namespace backend::cuda;

Device present_device;
Recording recording;
/// Where launches go while Queue::record() runs.
std::vector<Launch>* graph_launches = nullptr;
Routing last_routing;
std::map<void*, std::size_t> memory;

/// The experts that get any of the batch's tokens, if all are as likely.
std::int64_t expected_experts(const Routing& routing) {
  const auto experts = static_cast<double>(routing.experts);
  const double idle = std::pow(1 - static_cast<double>(routing.picks) / experts, static_cast<double>(routing.tokens));
  return std::llround(experts * (1 - idle));
}

template <typename Experts>
Cost cost_of(const ExpertProduct<Experts>& step) {
  return cost(step, last_routing.tokens * last_routing.picks, expected_experts(last_routing));
}

/// The plan is made anew from what the host uploaded.
Cost cost_of(const Attention& step) {
  std::int32_t slices = 0;
  for (std::int64_t i = 0; i < step.tile_count; ++i) slices = std::max(slices, step.tiles[i].slice + 1);
  return cost(step, plan_attention({step.slices, static_cast<std::size_t>(slices)},
                                   {.heads = step.heads, .kv_heads = step.kv_heads, .window = step.window}, {}));
}

Cost cost_of(const Routing& step) {
  last_routing = step;
  return cost(step);
}

Cost cost_of(const FusedRouter& step) {
  last_routing = step.routing;
  return cost(step);
}

template <typename Step>
Cost cost_of(const Step& step) {
  return cost(step);
}

template <typename... Steps>
Cost cost_of_any(const std::string& kernel, const std::any& arguments) {
  Cost result;
  const auto matches = [&]<typename Step>(const std::tuple<Step>* step) {
    if (step != nullptr) result = cost_of(std::get<0>(*step));
    return step != nullptr;
  };
  if (!(matches(std::any_cast<std::tuple<Steps>>(&arguments)) || ...)) {
    throw std::logic_error("bench/gpu does not know what the kernel " + kernel + " costs");
  }
  return result;
}

}  // namespace

void set_device(const Device& device) { present_device = device; }

Recording take_recording() { return std::exchange(recording, {}); }

}  // namespace gpuinfer::bench

namespace gpuinfer::backend::cuda {

struct RecordedLaunches {
  std::vector<bench::Launch> launches;
};

int count_devices() { return 1; }

Device open_device(int /*index*/) { return bench::present_device; }

void use_device(int /*index*/) {}

/// Takes up room only where it is written to.
void* allocate_device_memory(std::size_t bytes) {
  void* const address =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) throw OutOfDeviceMemory("the host has no room for so many addresses");
  bench::memory.emplace(address, bytes);
  return address;
}

void free_device_memory(void* address) noexcept {
  if (const auto found = bench::memory.find(address); found != bench::memory.end()) {
    munmap(address, found->second);
    bench::memory.erase(found);
  }
}

void* allocate_pinned_memory(std::size_t bytes) { return allocate_device_memory(bytes); }
void free_pinned_memory(void* address) noexcept { free_device_memory(address); }

Queue::Queue() = default;
Queue::~Queue() = default;

void Queue::upload(void* to, std::span<const std::byte> from) {
  std::memcpy(to, from.data(), from.size());
  bench::recording.uploaded_bytes += std::ssize(from);
}

void Queue::download(std::span<std::byte> to, const void* /*from*/) {
  bench::recording.downloaded_bytes += std::ssize(to);
}

Graph Queue::record(const std::function<void()>& work) {
  const auto graph = std::make_shared<RecordedLaunches>();
  bench::graph_launches = &graph->launches;
  work();
  bench::graph_launches = nullptr;
  return graph;
}

void Queue::launch(const Graph& graph) {
  std::ranges::copy(graph->launches, std::back_inserter(bench::recording.launches));
  ++bench::recording.host_launches;
}

Mark Queue::mark() { return nullptr; }
void Queue::wait_for(const Mark& /*mark*/) {}

bool Queue::is_done() { return true; }

void Queue::wait() {}

// There is one GPU.
Communicator::Communicator(std::int64_t /*ranks*/) { std::abort(); }
Communicator::~Communicator() = default;
void Communicator::gather(std::span<const Member> /*members*/, std::int64_t /*rows*/, std::int64_t /*columns*/) {}

}  // namespace gpuinfer::backend::cuda

namespace gpuinfer::simt {

void launch(const char* kernel, Dimensions /*grid*/, unsigned /*threads*/, std::size_t /*dynamic_shared_bytes*/,
            const std::any& arguments, const std::function<void()>& /*thread*/) {
  using namespace backend::cuda;
  const bool is_merge = std::string_view(kernel) == "merge_attention";  // A part of attend, whose cost is of both.
  const bench::Launch launch{
      .kernel = kernel,
      .cost = is_merge
                  ? Cost{}
                  : bench::cost_of_any<AddRmsNorm, Attention, Embedding, ExpertProduct<Bfloat16Experts>,
                                       ExpertProduct<Mxfp4Experts>, ExpertSum, FusedQkv, FusedRouter, GatedActivation,
                                       Product, RopeAngles, RotateAndStore, Routing, Sampling, SelectRows>(kernel,
                                                                                                           arguments)};
  if (bench::graph_launches != nullptr) {
    bench::graph_launches->push_back(launch);
  } else {
    bench::recording.launches.push_back(launch);
    ++bench::recording.host_launches;
  }
}

// What a running thread would ask for: none runs.
unsigned thread_index() { std::abort(); }
unsigned block_threads() { std::abort(); }
Dimensions block_index() { std::abort(); }
void block_barrier(Place /*place*/) { std::abort(); }
void wait_for_previous_launch(Place /*place*/) { std::abort(); }
void prefetch(const void* /*address*/) { std::abort(); }
std::span<const Words, kLanes> exchange(const Words& /*mine*/, Place /*place*/) { std::abort(); }
void* shared_memory(const void* /*variable*/, std::size_t /*bytes*/) { std::abort(); }
void* dynamic_shared_memory() { std::abort(); }
void warp_barrier(Place /*place*/) { std::abort(); }
Atomic::Atomic() { std::abort(); }
Atomic::~Atomic() { std::abort(); }
void synchronize_with_blocks() { std::abort(); }
/// Called by tests/simt/accesses.hpp.
void check_access(const void* /*address*/, std::size_t /*bytes*/, bool /*is_write*/) { std::abort(); }
void copy_async(void* /*to*/, const void* /*from*/) { std::abort(); }
void close_copy_group() { std::abort(); }
void wait_copy_groups(unsigned /*pending*/) { std::abort(); }
void fail(const std::string& /*what*/) { std::abort(); }

}  // namespace gpuinfer::simt
