// The pool runs every index once, however many loops follow each other; thread counts respect a container's limits.
#include "runtime/backend/cpu/thread_pool.hpp"

#include <chrono>

#include "catch.hpp"
#include "runtime/backend/cpu/thread_count.hpp"
#include "temporary_folder.hpp"
#include "tiny_model.hpp"

namespace gpuinfer::backend {
namespace {

TEST_CASE("every index runs once, in many short loops and after a sleep") {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int loop = 0; loop < 2000; ++loop) {
      const std::int64_t count = loop % 17;
      std::vector<int> runs(17);  // not atomic: ThreadSanitizer sees where the pool orders nothing
      pool.parallel_for(count, [&](std::int64_t i) { ++runs[static_cast<std::size_t>(i)]; });
      for (std::int64_t i = 0; i < 17; ++i) REQUIRE(runs[static_cast<std::size_t>(i)] == (i < count ? 1 : 0));
      // Long enough for the threads to fall asleep.
      if (loop % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
}

TEST_CASE("a cgroup's quota is read in both versions and rounded up") {
  const TemporaryFolder folder;
  CHECK(cgroup_quota(folder.path()) == 0);
  folder.write("cpu.cfs_quota_us", "250000\n");
  folder.write("cpu.cfs_period_us", "100000\n");
  CHECK(cgroup_quota(folder.path()) == 3);
  folder.write("cpu.cfs_quota_us", "-1\n");
  CHECK(cgroup_quota(folder.path()) == 0);
  folder.write("cpu.max", "150000 100000\n");
  CHECK(cgroup_quota(folder.path()) == 2);
  folder.write("cpu.max", "max 100000\n");
  CHECK(cgroup_quota(folder.path()) == 0);
  CHECK(usable_cpus() >= 1);
}

}  // namespace
}  // namespace gpuinfer::backend
