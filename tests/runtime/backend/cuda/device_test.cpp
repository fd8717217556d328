// What device.cpp makes of each way in which CUDA's runtime fails.
#include "runtime/backend/cuda/device.hpp"

#include "catch.hpp"
#include "fakes/runtime.hpp"

namespace gpuinfer::backend::cuda {
namespace {

using fakes::FakeGpu;
using fakes::set_fake_gpu;

/// A working GPU again when the test ends.
struct ChangedGpu {
  explicit ChangedGpu(const FakeGpu& gpu) { set_fake_gpu(gpu); }
  ~ChangedGpu() { set_fake_gpu({}); }
};

std::string why_no_device(const FakeGpu& gpu) {
  const ChangedGpu changed(gpu);
  try {
    open_device();
  } catch (const NoDevice& error) {
    return std::string(error.what()) + " | " + error.remedy();
  }
  return "there is one";
}

TEST_CASE("a GPU is described") {
  const ChangedGpu changed({.capability = 121, .memory = 5 << 20});
  const DeviceArray<std::byte> taken(1 << 20);
  const Device device = open_device();
  CHECK(device.name == "fake GPU");
  CHECK(device.compute_capability == 121);
  CHECK(device.memory_bytes == 5 << 20);
  CHECK(device.free_bytes == 4 << 20);
}

TEST_CASE("each of several GPUs has its memory, and only those that are there can be used") {
  const ChangedGpu changed({.devices = 2, .memory = 5 << 20});
  CHECK(count_devices() == 2);
  use_device(1);
  const DeviceArray<std::byte> taken(1 << 20);
  CHECK(open_device(0).free_bytes == 5 << 20);
  CHECK(open_device(1).free_bytes == 4 << 20);
  CHECK_THROWS_WITH(open_device(2), Catch::Contains("fails to start"));
  use_device(0);
  Queue queue;
  CHECK(queue.is_done());
  set_fake_gpu({.start_error = 700});
  CHECK_THROWS_WITH(queue.is_done(), Catch::Contains("compute: an illegal memory access"));
  CHECK_THROWS_AS(count_devices(), NoDevice);
}

TEST_CASE("each reason why there is no GPU has its message") {
  CHECK(why_no_device({}) == "there is one");
  CHECK(why_no_device({.driver = 0}) == "there is no NVIDIA driver (libcuda.so.1) | ");
  CHECK_THAT(why_no_device({.driver = 12080}), Catch::Contains("supports CUDA 12.8, this program needs 13.0 or newer"));
  CHECK_THAT(why_no_device({.devices = 0}), Catch::Contains("shows no GPU"));
  CHECK_THAT(why_no_device({.start_error = 999}),
             Catch::Contains("the NVIDIA driver fails") && Catch::Contains("dmesg"));
  // The version suffices, and the driver says that it does not: as much as can be said is that it fails.
  CHECK_THAT(why_no_device({.start_error = 35}), Catch::Contains("the NVIDIA driver fails"));
  CHECK_THAT(why_no_device({.capability = 75}),
             Catch::Contains("fake GPU has compute capability 7.5, this program needs 8.0"));
}

TEST_CASE("memory that is not there is told apart from a GPU that fails") {
  {
    const ChangedGpu changed({.memory = 1000});
    CHECK_THROWS_AS(DeviceArray<float>(1000), OutOfDeviceMemory);
    CHECK_NOTHROW(Queue().wait());  // It is no fault.
    const DeviceArray<std::byte> all(1000);
    CHECK(all.size() == 1000);
  }
  {
    const ChangedGpu changed({.largest_pinned = 1000});
    CHECK_THROWS_WITH(PinnedArray<float>(1000), Catch::Contains("pin memory of the host: out of memory"));
  }
  const ChangedGpu changed({.start_error = 46});
  CHECK_THROWS_WITH(DeviceArray<float>(1), Catch::Contains("fails to allocate memory"));
  CHECK_THROWS_WITH(Queue(), Catch::Contains("fails to make a stream"));
  CHECK(fakes::allocated_bytes() == 0);
}

TEST_CASE("copies of a GPU that has failed fail, and say what to do") {
  const ChangedGpu changed({});
  Queue queue;
  const DeviceArray<std::byte> device(4);
  std::byte host[4] = {};
  CHECK_NOTHROW(queue.upload(device.data(), host));
  set_fake_gpu({.start_error = 700});
  CHECK_THROWS_WITH(queue.upload(device.data(), host), Catch::Contains("take data: an illegal memory access"));
  CHECK_THROWS_WITH(queue.download(host, device.data()), Catch::Contains("give data: an illegal memory access"));
  CHECK_THROWS_WITH(queue.wait(), Catch::Contains("compute: an illegal memory access"));
  CHECK_THROWS_WITH(open_device(), Catch::Contains("an illegal memory access"));
}

TEST_CASE("launches that cannot be recorded leave a GPU that works") {
  const ChangedGpu changed({.record_error = 901});
  Queue queue;
  CHECK_THROWS_WITH(queue.record([] {}), Catch::Contains("fails to record launches"));
  CHECK_THROWS_WITH(queue.record([] { throw std::runtime_error("no GPU has such a grid"); }),
                    Catch::Contains("such a grid"));
  CHECK_NOTHROW(queue.wait());
  set_fake_gpu({});
  const Graph graph = queue.record([] {});
  CHECK_NOTHROW(queue.launch(graph));
  set_fake_gpu({.start_error = 700});
  CHECK_THROWS_WITH(queue.launch(graph), Catch::Contains("launch a graph: an illegal memory access"));
  CHECK_THROWS_WITH(queue.record([] {}), Catch::Contains("record launches: an illegal memory access"));
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
