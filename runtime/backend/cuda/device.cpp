// The GPU by way of CUDA's runtime, which is linked into the program and looks for the driver when it is first called.
#include "runtime/backend/cuda/device.hpp"

#include <cuda_runtime_api.h>

namespace gpuinfer::backend::cuda {
namespace {

constexpr int kOldestCapability = 80;

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw Error(std::string("the GPU fails to ") + what + ": " + cudaGetErrorString(status),
              "see `dmesg` for Xid messages; a process that has met such an error cannot use the GPU again");
}

/// Why there is no device; cudart itself only gives a code.
NoDevice no_device(cudaError_t status) {
  int driver = 0;
  cudaDriverGetVersion(&driver);
  if (driver == 0) return NoDevice("there is no NVIDIA driver (libcuda.so.1)");
  if (driver < CUDART_VERSION) {
    return NoDevice("the NVIDIA driver supports CUDA " + version_text(driver) + ", this program needs " +
                        version_text(CUDART_VERSION) + " or newer",
                    "install a newer driver on the node");
  }
  if (status == cudaErrorNoDevice) return NoDevice("the NVIDIA driver shows no GPU");
  return NoDevice(std::string("the NVIDIA driver fails: ") + cudaGetErrorString(status),
                  "see what `nvidia-smi` and `dmesg` say on the node");
}

/// Ends the recording that the stream is in, whatever came of it, and forgets the error: it is not sticky.
cudaError_t end_recording(Stream stream, cudaGraph_t& graph) {
  const cudaError_t status = cudaStreamEndCapture(stream, &graph);
  static_cast<void>(cudaGetLastError());
  return status;
}

}  // namespace

struct RecordedLaunches {
  RecordedLaunches() = default;
  ~RecordedLaunches() { static_cast<void>(cudaGraphExecDestroy(executable)); }
  RecordedLaunches(const RecordedLaunches&) = delete;
  RecordedLaunches& operator=(const RecordedLaunches&) = delete;

  cudaGraphExec_t executable = nullptr;
};

struct MarkedPlace {
  MarkedPlace() = default;
  ~MarkedPlace() { static_cast<void>(cudaEventDestroy(event)); }
  MarkedPlace(const MarkedPlace&) = delete;
  MarkedPlace& operator=(const MarkedPlace&) = delete;

  cudaEvent_t event = nullptr;
};

int count_devices() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) throw no_device(status);
  return count;
}

Device open_device(int index) {
  static_cast<void>(count_devices());  // Says best why there is none.
  cudaDeviceProp properties{};
  use_device(index);
  check(cudaGetDeviceProperties(&properties, index), "describe itself");
  Device device{.name = properties.name,
                .compute_capability = properties.major * 10 + properties.minor,
                .multiprocessors = properties.multiProcessorCount};
  if (device.compute_capability < kOldestCapability) {
    throw NoDevice(device.name + " has compute capability " + std::to_string(properties.major) + "." +
                       std::to_string(properties.minor) + ", this program needs 8.0 or newer",
                   "use an instance of g5, g6, g6e, p4 or newer");
  }
  std::size_t free_bytes = 0;
  std::size_t all_bytes = 0;
  check(cudaMemGetInfo(&free_bytes, &all_bytes), "tell how much memory it has");
  device.memory_bytes = static_cast<std::int64_t>(all_bytes);
  device.free_bytes = static_cast<std::int64_t>(free_bytes);
  check(cudaDriverGetVersion(&device.driver_version), "tell its driver's version");
  device.runtime_version = CUDART_VERSION;
  return device;
}

void use_device(int index) { check(cudaSetDevice(index), "start"); }

void* allocate_device_memory(std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());  // It is not sticky.
    throw OutOfDeviceMemory("the GPU has not " + std::to_string(bytes) + " bytes of memory left");
  }
  check(status, "allocate memory");
  return memory;
}

void free_device_memory(void* memory) noexcept { static_cast<void>(cudaFree(memory)); }

void* allocate_pinned_memory(std::size_t bytes) {
  void* memory = nullptr;
  check(cudaMallocHost(&memory, bytes), "pin memory of the host");
  return memory;
}

void free_pinned_memory(void* memory) noexcept { static_cast<void>(cudaFreeHost(memory)); }

Queue::Queue() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "make a stream"); }

Queue::~Queue() {
  if (stream_ != nullptr) static_cast<void>(cudaStreamDestroy(stream_));
}

void Queue::upload(void* to, std::span<const std::byte> from) {
  check(cudaMemcpyAsync(to, from.data(), from.size(), cudaMemcpyHostToDevice, stream_), "take data");
}

void Queue::download(std::span<std::byte> to, const void* from) {
  check(cudaMemcpyAsync(to.data(), from, to.size(), cudaMemcpyDeviceToHost, stream_), "give data");
}

void Queue::copy(void* to, const void* from, std::size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "copy data");
}

Graph Queue::record(const std::function<void()>& work) {
  // Only this thread's calls could spoil the recording.
  check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "record launches");
  cudaGraph_t graph = nullptr;
  try {
    work();
  } catch (...) {
    static_cast<void>(end_recording(stream_, graph));
    static_cast<void>(cudaGraphDestroy(graph));
    throw;
  }
  check(end_recording(stream_, graph), "record launches");
  const auto launches = std::make_shared<RecordedLaunches>();
  const cudaError_t status = cudaGraphInstantiate(&launches->executable, graph, 0);
  static_cast<void>(cudaGraphDestroy(graph));
  static_cast<void>(cudaGetLastError());
  check(status, "make a graph of launches");
  return launches;
}

void Queue::launch(const Graph& graph) { check(cudaGraphLaunch(graph->executable, stream_), "launch a graph"); }

Mark Queue::mark() {
  const auto place = std::make_shared<MarkedPlace>();
  check(cudaEventCreateWithFlags(&place->event, cudaEventDisableTiming), "make an event");
  check(cudaEventRecord(place->event, stream_), "record an event");
  return place;
}

void Queue::wait_for(const Mark& mark) { check(cudaEventSynchronize(mark->event), "compute"); }

bool Queue::is_done() {
  const cudaError_t status = cudaStreamQuery(stream_);
  if (status == cudaErrorNotReady) return false;
  check(status, "compute");
  return true;
}

void Queue::wait() { check(cudaStreamSynchronize(stream_), "compute"); }

}  // namespace gpuinfer::backend::cuda
