// Running a check with the kernels of every instruction set that this machine has.
#pragma once

#include <functional>

#include "catch.hpp"
#include "hwy/targets.h"
#include "runtime/backend/cpu/matmul.hpp"

namespace gpuinfer::backend {

/// Calls `check` once for each instruction set that the kernels were compiled for and this CPU supports; leaves the
/// best one chosen.
inline void for_each_target(const std::function<void()>& check) {
  constexpr std::int64_t kKernelTargets = HWY_SSE4 | HWY_AVX2 | HWY_AVX3 | HWY_AVX3_DL | HWY_NEON;
  const std::int64_t all = hwy::SupportedTargets() & kKernelTargets;
  for (std::int64_t left = all; left != 0; left &= left - 1) {
    const std::int64_t target = left & -left;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    INFO("instruction set " << instruction_set());
    check();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace gpuinfer::backend
