#include "runtime.hpp"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace gpuinfer::fakes {
namespace {

/// All of it; the loader of weights and the step loop are two threads.
struct Runtime {
  std::mutex mutex;
  FakeGpu gpu = fake_gpu(settings_of(kFakeGpuVariable));
  std::map<int, std::map<void*, std::vector<std::byte>>> device_memory;  ///< of each GPU
  std::map<void*, std::vector<std::byte>> pinned_memory;
  cudaError_t last_error = cudaSuccess;
  /// After a fault in a kernel: what every call answers from then on.
  cudaError_t fault = cudaSuccess;
  /// Launches since the recording began; nothing: none is under way.
  std::optional<std::int64_t> recorded;
};

/// Of the thread.
thread_local int current_device = 0;

Runtime& runtime() {
  static Runtime one;
  return one;
}

cudaError_t note(cudaError_t error) {
  if (error != cudaSuccess) runtime().last_error = error;
  return error;
}

/// What any call answers, whatever it is about.
cudaError_t state_of_gpu() {
  const FakeGpu& gpu = runtime().gpu;
  if (gpu.start_error != cudaSuccess) return static_cast<cudaError_t>(gpu.start_error);
  if (gpu.driver < CUDART_VERSION) return cudaErrorInsufficientDriver;
  if (gpu.devices == 0) return cudaErrorNoDevice;
  return runtime().fault;
}

/// A stream is the number of its GPU, counted from one.
cudaStream_t stream_of_current_device() { return reinterpret_cast<cudaStream_t>(std::int64_t{1} + current_device); }

std::int64_t bytes_of(const std::map<void*, std::vector<std::byte>>& memory) {
  std::int64_t bytes = 0;
  for (const auto& [address, block] : memory) bytes += static_cast<std::int64_t>(block.size());
  return bytes;
}

cudaError_t allocate(std::map<void*, std::vector<std::byte>>& memory, void** address, std::size_t bytes) {
  std::vector<std::byte> block(bytes);
  *address = block.data();
  memory.emplace(*address, std::move(block));
  return cudaSuccess;
}

cudaError_t copy(void* to, const void* from, std::size_t bytes) {
  if (const cudaError_t error = note(state_of_gpu()); error != cudaSuccess) return error;
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t launch(cudaStream_t stream) {
  Runtime& all = runtime();
  if (const cudaError_t error = note(state_of_gpu()); error != cudaSuccess) return error;
  if (stream != stream_of_current_device()) return note(cudaErrorInvalidResourceHandle);
  if (all.gpu.launch_error != cudaSuccess) return note(static_cast<cudaError_t>(all.gpu.launch_error));
  if (all.recorded) {
    ++*all.recorded;
    return cudaSuccess;
  }
  // The launch succeeds; it is a later call that learns of the fault.
  if (all.gpu.launches_until_fault-- == 0) all.fault = cudaErrorIllegalAddress;
  return cudaSuccess;
}

std::int64_t ptx_version() { return runtime().gpu.ptx == 0 ? runtime().gpu.capability : runtime().gpu.ptx; }

/// A graph is the number of its launches.
cudaGraph_t graph_of(std::int64_t launches) { return reinterpret_cast<cudaGraph_t>(launches); }

}  // namespace

FakeGpu fake_gpu(const Settings& settings) {
  FakeGpu gpu;
  std::map<std::string, std::int64_t*> fields = {{"devices", &gpu.devices},
                                                 {"driver", &gpu.driver},
                                                 {"start_error", &gpu.start_error},
                                                 {"capability", &gpu.capability},
                                                 {"ptx", &gpu.ptx},
                                                 {"memory", &gpu.memory},
                                                 {"largest_allocation", &gpu.largest_allocation},
                                                 {"largest_pinned", &gpu.largest_pinned},
                                                 {"launch_error", &gpu.launch_error},
                                                 {"record_error", &gpu.record_error},
                                                 {"launches_until_fault", &gpu.launches_until_fault}};
  for (const auto& [name, value] : settings) *fields.at(name) = value;
  return gpu;
}

void set_fake_gpu(const FakeGpu& gpu) {
  const std::lock_guard lock(runtime().mutex);
  runtime().gpu = gpu;
  runtime().last_error = runtime().fault = cudaSuccess;
}

std::int64_t allocated_bytes() {
  const std::lock_guard lock(runtime().mutex);
  std::int64_t bytes = 0;
  for (const auto& [device, memory] : runtime().device_memory) bytes += bytes_of(memory);
  return bytes;
}

}  // namespace gpuinfer::fakes

using gpuinfer::fakes::current_device;
using gpuinfer::fakes::note;
using gpuinfer::fakes::runtime;
using gpuinfer::fakes::state_of_gpu;

extern "C" {

cudaError_t cudaDriverGetVersion(int* version) {
  *version = static_cast<int>(runtime().gpu.driver);
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  const std::lock_guard lock(runtime().mutex);
  *count = static_cast<int>(runtime().gpu.devices);
  return note(state_of_gpu());
}

cudaError_t cudaSetDevice(int device) {
  const std::lock_guard lock(runtime().mutex);
  if (device >= runtime().gpu.devices) return note(cudaErrorInvalidDevice);
  current_device = device;
  return note(state_of_gpu());
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  const std::lock_guard lock(runtime().mutex);
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "fake GPU");
  properties->major = static_cast<int>(runtime().gpu.capability / 10);
  properties->minor = static_cast<int>(runtime().gpu.capability % 10);
  properties->multiProcessorCount = 2;
  return note(state_of_gpu());
}

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* all_bytes) {
  const std::lock_guard lock(runtime().mutex);
  *all_bytes = static_cast<std::size_t>(runtime().gpu.memory);
  *free_bytes =
      *all_bytes - static_cast<std::size_t>(gpuinfer::fakes::bytes_of(runtime().device_memory[current_device]));
  return note(state_of_gpu());
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  const std::lock_guard lock(runtime().mutex);
  if (const cudaError_t error = note(state_of_gpu()); error != cudaSuccess) return error;
  const auto wanted = static_cast<std::int64_t>(bytes);
  auto& allocated = runtime().device_memory[current_device];
  if (wanted > runtime().gpu.largest_allocation ||
      gpuinfer::fakes::bytes_of(allocated) + wanted > runtime().gpu.memory) {
    return note(cudaErrorMemoryAllocation);
  }
  return gpuinfer::fakes::allocate(allocated, memory, bytes);
}

cudaError_t cudaFree(void* memory) {
  const std::lock_guard lock(runtime().mutex);
  for (auto& [device, allocated] : runtime().device_memory) allocated.erase(memory);
  return note(state_of_gpu());
}

cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  const std::lock_guard lock(runtime().mutex);
  if (const cudaError_t error = note(state_of_gpu()); error != cudaSuccess) return error;
  if (static_cast<std::int64_t>(bytes) > runtime().gpu.largest_pinned) return note(cudaErrorMemoryAllocation);
  return gpuinfer::fakes::allocate(runtime().pinned_memory, memory, bytes);
}

cudaError_t cudaFreeHost(void* memory) {
  const std::lock_guard lock(runtime().mutex);
  runtime().pinned_memory.erase(memory);
  return note(state_of_gpu());
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const std::lock_guard lock(runtime().mutex);
  *stream = gpuinfer::fakes::stream_of_current_device();
  return note(state_of_gpu());
}

cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }

cudaError_t cudaStreamQuery(cudaStream_t) {
  const std::lock_guard lock(runtime().mutex);
  return note(state_of_gpu());
}

cudaError_t cudaStreamSynchronize(cudaStream_t) {
  const std::lock_guard lock(runtime().mutex);
  return note(state_of_gpu());
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  const std::lock_guard lock(runtime().mutex);
  *event = nullptr;
  return note(state_of_gpu());
}

cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) {
  const std::lock_guard lock(runtime().mutex);
  return note(state_of_gpu());
}

cudaError_t cudaEventSynchronize(cudaEvent_t) {
  const std::lock_guard lock(runtime().mutex);
  return note(state_of_gpu());
}

cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t) {
  const std::lock_guard lock(runtime().mutex);
  return gpuinfer::fakes::copy(to, from, bytes);
}

/// Forgets the error, but not a fault.
cudaError_t cudaGetLastError() {
  const std::lock_guard lock(runtime().mutex);
  return std::exchange(runtime().last_error, runtime().fault);
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorNoKernelImageForDevice:
      return "no kernel image is available for execution on the device";
    default:
      return "an error that the fake has no words for";
  }
}

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  const std::lock_guard lock(runtime().mutex);
  if (const cudaError_t error = note(state_of_gpu()); error != cudaSuccess) return error;
  runtime().recorded = 0;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  const std::lock_guard lock(runtime().mutex);
  *graph = gpuinfer::fakes::graph_of(*std::exchange(runtime().recorded, std::nullopt));
  return note(static_cast<cudaError_t>(runtime().gpu.record_error));
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  const std::lock_guard lock(runtime().mutex);
  *executable = reinterpret_cast<cudaGraphExec_t>(graph);
  return note(state_of_gpu());
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const std::lock_guard lock(runtime().mutex);
  for (auto left = reinterpret_cast<std::int64_t>(executable); left > 0; --left) {
    if (const cudaError_t error = gpuinfer::fakes::launch(stream); error != cudaSuccess) return error;
  }
  return note(state_of_gpu());
}

cudaError_t cudaGraphDestroy(cudaGraph_t) { return cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t) { return cudaSuccess; }

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  const std::lock_guard lock(runtime().mutex);
  *attributes = {};
  attributes->ptxVersion = static_cast<int>(gpuinfer::fakes::ptx_version());
  return note(state_of_gpu());
}
cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) { return cudaSuccess; }

// What nvcc's host code calls to make kernels known and to start them.

void** __cudaRegisterFatBinary(void*) {
  static void* handle = nullptr;
  return &handle;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterFunction(void**, const char*, char*, const char*, int, uint3*, uint3*, dim3*, dim3*, int*) {}
void __cudaRegisterVar(void**, char*, char*, const char*, int, std::size_t, int, int) {}
// Referred to by the function that nvcc makes of each kernel for <<<>>>, which ptx/launch.cuh does not use.
cudaError_t __cudaPopCallConfiguration(dim3*, dim3*, std::size_t*, void*) { return cudaErrorNotSupported; }
cudaError_t __cudaGetKernel(cudaKernel_t*, const void*) { return cudaErrorNotSupported; }
cudaError_t __cudaLaunchKernel(cudaKernel_t, dim3, dim3, void**, std::size_t, cudaStream_t) {
  return cudaErrorNotSupported;
}
cudaError_t cudaLaunchKernel(const void*, dim3, dim3, void**, std::size_t, cudaStream_t) {
  return cudaErrorNotSupported;
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void*, void**) {
  const std::lock_guard lock(runtime().mutex);
  // Programmatic dependent launch: a GPU that has none refuses to be asked for it; one that has it would run a kernel
  // that does not wait too early.
  if (config->numAttrs > 0 && std::min(runtime().gpu.capability, gpuinfer::fakes::ptx_version()) < 90) {
    return note(cudaErrorNotSupported);
  }
  return gpuinfer::fakes::launch(config->stream);
}
}
