// How many threads this process may keep busy.
#pragma once

#include <filesystem>

namespace gpuinfer::backend {

/// The CPUs of the process' affinity mask, no more than its cgroup's quota allows (rounded up); at least 1. A container
/// limited to 2 CPUs on a machine of 64 gets 2: more threads would only be throttled.
int usable_cpus();

/// The quota of a cgroup v2 `cpu.max` file ("150000 100000" or "max 100000") or of the v1 files beside it in CPUs,
/// rounded up; 0 where there is none.
int cgroup_quota(const std::filesystem::path& cgroup);

}  // namespace gpuinfer::backend
