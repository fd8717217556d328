// Affinity and cgroup limits.
#include "runtime/backend/cpu/thread_count.hpp"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>

namespace gpuinfer::backend {
namespace {

int round_up(double quota, double period) {
  return quota > 0 && period > 0 ? static_cast<int>((quota + period - 1) / period) : 0;
}

double read_number(const std::filesystem::path& path) {
  std::ifstream file(path);
  double value = 0;
  file >> value;
  return value;
}

int affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return static_cast<int>(std::thread::hardware_concurrency());
  return CPU_COUNT(&set);
}

/// The folders that may limit this process: every ancestor of its own cgroup in v2, the controller's root in v1 (in a
/// container both are mounted so that the container's own limit is at the top).
int smallest_quota() {
  const std::filesystem::path root = "/sys/fs/cgroup";
  int smallest = 0;
  const auto consider = [&](const std::filesystem::path& folder) {
    const int quota = cgroup_quota(folder);
    if (quota > 0 && (smallest == 0 || quota < smallest)) smallest = quota;
  };
  consider(root / "cpu");
  std::ifstream cgroups("/proc/self/cgroup");
  for (std::string line; std::getline(cgroups, line);) {
    if (!line.starts_with("0::/")) continue;
    for (std::filesystem::path path = line.substr(4);; path = path.parent_path()) {
      consider(root / path);
      if (path.empty()) break;
    }
  }
  return smallest;
}

}  // namespace

int cgroup_quota(const std::filesystem::path& cgroup) {
  std::ifstream file(cgroup / "cpu.max");
  std::string quota;
  double period = 0;
  if (file >> quota >> period) return quota == "max" ? 0 : round_up(std::atof(quota.c_str()), period);
  return round_up(read_number(cgroup / "cpu.cfs_quota_us"), read_number(cgroup / "cpu.cfs_period_us"));
}

int usable_cpus() {
  const int cpus = std::max(1, affinity());
  const int quota = smallest_quota();
  return quota > 0 ? std::min(cpus, quota) : cpus;
}

}  // namespace gpuinfer::backend
