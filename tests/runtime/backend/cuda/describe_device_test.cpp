// What is said about a GPU.
#include "runtime/backend/cuda/describe_device.hpp"

#include "catch.hpp"
#include "simt/gpu.hpp"

namespace gpuinfer::backend::cuda {
namespace {

TEST_CASE("a GPU is described by name, memory and versions") {
  const Device device{.name = "NVIDIA L4",
                      .compute_capability = 89,
                      .multiprocessors = 58,
                      .memory_bytes = std::int64_t{24} << 30,
                      .free_bytes = std::int64_t{45} << 29,
                      .driver_version = 13010,
                      .runtime_version = 13000};
  CHECK(describe(device) == std::vector<std::string>{"NVIDIA L4, compute capability 8.9, 58 multiprocessors",
                                                     "22.5 of 24.0 GiB of memory free",
                                                     "CUDA 13.0, driver for CUDA 13.1"});
}

TEST_CASE("copies are measured within the memory that is free, and what they took is given back") {
  simt::gpu() = {};
  simt::gpu().memory_bytes = 1 << 16;
  CHECK(measure_copy_bandwidth(open_device()) > 0);
  CHECK(simt::allocated_bytes() == 0);
  simt::gpu() = {};
}

TEST_CASE("a copy from the GPU's memory to itself is in order with what comes before and after") {
  simt::gpu() = {};
  const std::vector<std::byte> bytes = {std::byte{1}, std::byte{2}, std::byte{3}};
  const DeviceArray<std::byte> from(3);
  const DeviceArray<std::byte> to(3);
  std::vector<std::byte> back(3);
  Queue queue;
  queue.upload(from.data(), bytes);
  queue.copy(to.data(), from.data(), 3);
  queue.download(back, to.data());
  queue.wait();
  CHECK(back == bytes);
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
