// The host side of the GPUs that tests/simt plays: memory with guard pages, of which only the current GPU's can be
// touched, and queues that take their time as far as the host can tell.
#include "runtime/backend/cuda/device.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "simt/device_memory.hpp"
#include "simt/failure.hpp"
#include "simt/gpu.hpp"
#include "simt/guarded_memory.hpp"
#include "simt/recording.hpp"

namespace gpuinfer::simt {
namespace {

using backend::cuda::Stream;
using Bytes = std::vector<std::byte>;

/// Everything is done when it is asked for, but the host must not see that: what it gives may not change before the
/// wait, and what it gets arrives there.
struct Pending {
  struct Upload {
    std::span<const std::byte> from;
    Bytes at_first;
    std::int64_t mark;
  };
  struct Download {
    std::span<std::byte> to;
    Bytes bytes;
    std::int64_t mark;
  };
  std::vector<Upload> uploads;
  std::vector<Download> downloads;
  std::int64_t marks = 0;  ///< made so far; what is asked for next comes before the mark of this number
};

struct DeviceMemory {
  int gpu;
  std::unique_ptr<GuardedMemory> memory;
};

struct State {
  int current_gpu = 0;
  std::map<const void*, DeviceMemory> device_memory;
  std::map<void*, Bytes> pinned_memory;
  std::int64_t queues = 0;  ///< that there ever were: a stream is its queue's number
  std::map<Stream, Pending> pending;
};

State& state() {
  static State one;
  return one;
}

bool is_pinned(std::span<const std::byte> bytes) {
  return std::ranges::any_of(state().pinned_memory, [&](const auto& entry) {
    const Bytes& memory = entry.second;
    return bytes.data() >= memory.data() && bytes.data() + bytes.size() <= memory.data() + memory.size();
  });
}

void check_sources(const Pending& pending) {
  for (const Pending::Upload& upload : pending.uploads) {
    if (!std::ranges::equal(upload.from, upload.at_first)) {
      throw Failure("the host changed pinned memory while it was uploaded");
    }
  }
}

/// CUDA ends a recording when anything but a launch comes in between.
void check_not_recording(const char* what) {
  if (recording() != nullptr) throw Failure(std::string(what) + " while launches are recorded");
}

/// The host has waited for the mark: what lies before it has arrived.
void arrive(Pending& pending, std::int64_t mark) {
  check_not_recording("the queue is waited for");
  if (gpu().waits_until_fault == 0) throw Error("the GPU fails to compute: an illegal memory access");
  --gpu().waits_until_fault;
  check_sources(pending);
  const auto has_arrived = [&](const auto& copy) { return copy.mark <= mark; };
  for (const Pending::Download& download : pending.downloads) {
    if (has_arrived(download)) std::ranges::copy(download.bytes, download.to.begin());
  }
  std::erase_if(pending.uploads, has_arrived);
  std::erase_if(pending.downloads, has_arrived);
}

/// Launches are recorded for as long as it lives.
struct Recording {
  explicit Recording(Launches& launches) { recording() = &launches; }
  ~Recording() { recording() = nullptr; }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
};

}  // namespace

Gpu& gpu() {
  static Gpu one;
  return one;
}

namespace {

template <typename Chosen>
std::int64_t bytes_of(const Chosen& is_chosen) {
  std::int64_t bytes = 0;
  for (const auto& [address, entry] : state().device_memory) {
    if (is_chosen(entry.gpu)) bytes += static_cast<std::int64_t>(entry.memory->size());
  }
  return bytes;
}

std::int64_t memory_bytes_of(int index) {
  const auto other = gpu().other_memory_bytes.find(index);
  return other == gpu().other_memory_bytes.end() ? gpu().memory_bytes : other->second;
}

std::int64_t free_bytes_of(int index) {
  return memory_bytes_of(index) - bytes_of([&](int its) { return its == index; });
}

}  // namespace

std::int64_t allocated_bytes() {
  return bytes_of([](int) { return true; });
}

Opened::Opened(const void* address) {
  auto entry = state().device_memory.upper_bound(address);
  if (entry == state().device_memory.begin()) return;
  --entry;
  auto& [gpu, memory] = entry->second;
  if (gpu == state().current_gpu || address >= memory->data() + memory->size()) return;
  closed_ = memory.get();
  closed_->set_accessible(true);
}

Opened::~Opened() {
  if (closed_ != nullptr) closed_->set_accessible(false);
}

}  // namespace gpuinfer::simt

namespace gpuinfer::backend::cuda {

using simt::state;

struct RecordedLaunches {
  simt::Launches launches;
};

struct MarkedPlace {
  std::int64_t number;
};

int count_devices() {
  if (simt::gpu().missing) throw NoDevice(*simt::gpu().missing);
  return simt::gpu().count;
}

Device open_device(int index) {
  if (simt::gpu().missing) throw NoDevice(*simt::gpu().missing);
  use_device(index);
  return {.name = "the GPU of tests/simt",
          .compute_capability = 80,
          .multiprocessors = 2,
          .memory_bytes = simt::memory_bytes_of(index),
          .free_bytes = simt::free_bytes_of(index)};
}

void use_device(int index) {
  if (index >= simt::gpu().count) throw simt::Failure("there is no GPU " + std::to_string(index));
  if (index == state().current_gpu) return;
  state().current_gpu = index;
  for (auto& [address, entry] : state().device_memory) entry.memory->set_accessible(entry.gpu == index);
}

void* allocate_device_memory(std::size_t bytes) {
  simt::check_not_recording("memory is allocated");
  if (static_cast<std::int64_t>(bytes) > simt::free_bytes_of(state().current_gpu)) {
    throw OutOfDeviceMemory("the GPU has not " + std::to_string(bytes) + " bytes of memory left");
  }
  auto memory = std::make_unique<simt::GuardedMemory>(bytes);
  void* const address = memory->data();
  state().device_memory.emplace(address, simt::DeviceMemory{state().current_gpu, std::move(memory)});
  return address;
}

void free_device_memory(void* memory) noexcept { state().device_memory.erase(memory); }

void* allocate_pinned_memory(std::size_t bytes) {
  simt::Bytes memory(bytes);
  void* const address = memory.data();
  state().pinned_memory.emplace(address, std::move(memory));
  return address;
}

void free_pinned_memory(void* memory) noexcept { state().pinned_memory.erase(memory); }

Queue::Queue() : stream_(reinterpret_cast<Stream>(++state().queues)) {}

Queue::~Queue() { state().pending.erase(stream_); }

void Queue::upload(void* to, std::span<const std::byte> from) {
  simt::check_not_recording("data is uploaded");
  for (const auto& [stream, pending] : state().pending) simt::check_sources(pending);
  const simt::Opened opened(to);
  std::ranges::copy(from, static_cast<std::byte*>(to));
  simt::Pending& pending = state().pending[stream_];
  if (simt::is_pinned(from)) pending.uploads.push_back({from, {from.begin(), from.end()}, pending.marks});
}

void Queue::download(std::span<std::byte> to, const void* from) {
  simt::check_not_recording("data is downloaded");
  const simt::Opened opened(from);
  const auto* bytes = static_cast<const std::byte*>(from);
  simt::Pending& pending = state().pending[stream_];
  pending.downloads.push_back({to, {bytes, bytes + to.size()}, pending.marks});
}

void Queue::copy(void* to, const void* from, std::size_t bytes) {
  simt::check_not_recording("data is copied");
  std::memcpy(to, from, bytes);
}

Graph Queue::record(const std::function<void()>& work) {
  if (!simt::gpu().records) throw Error("the GPU fails to record launches");
  const auto graph = std::make_shared<RecordedLaunches>();
  const simt::Recording recording(graph->launches);
  work();
  ++simt::gpu().recorded;
  return graph;
}

void Queue::launch(const Graph& graph) {
  for (const auto& launch : graph->launches) launch();
  ++simt::gpu().graph_launches;
}

bool Queue::is_done() { return true; }

Mark Queue::mark() {
  simt::check_not_recording("a place is marked");
  return std::make_shared<MarkedPlace>(MarkedPlace{state().pending[stream_].marks++});
}

void Queue::wait_for(const Mark& mark) { simt::arrive(state().pending[stream_], mark->number); }

void Queue::wait() {
  simt::Pending& pending = state().pending[stream_];
  simt::arrive(pending, pending.marks);
}

}  // namespace gpuinfer::backend::cuda
