// How the blocks of a launch find out which of them is the last to come somewhere, so that it can go on with what all
// of them wrote.
#pragma once

#include <cstdint>

#include "runtime/backend/cuda/ptx/kernel.cuh"

namespace gpuinfer::backend::cuda::ptx {

/// *count += 1, or 0 behind `last`, whoever else does that; returns what was there (PTX ISA: atom.inc).
GPU_DEVICE std::uint32_t count_arrival(std::uint32_t* count, std::uint32_t last) {
#ifdef __CUDACC__
  std::uint32_t before = 0;
  asm volatile("atom.acq_rel.gpu.global.inc.u32 %0, [%1], %2;"
               : "=r"(before)
               : "l"(__cvta_generic_to_global(count)), "r"(last)
               : "memory");
  return before;
#else
  const simt::Atomic atomic;
  simt::synchronize_with_blocks();
  const std::uint32_t before = *count;
  *count = before >= last ? 0 : before + 1;
  return before;
#endif
}

/// Whether the block is the last of `blocks` that come here with `count`, in every thread of it: then it may read, by
/// plain loads, what the others wrote to global memory before they came. `count` is 0 before the first comes, and after
/// the last: the next launch may use it again. For the block's next call only after another barrier.
//
// Why that is enough (PTX ISA, "Memory consistency model"): a write of any thread of block A precedes A's first barrier
// in program order; that barrier synchronises with the one of A's thread 0; the atomic of thread 0 is a release, so the
// acquire of every later atomic on `count` synchronises with it (observation order goes through the atomics between);
// the last block's second barrier hands that on to its threads, whose loads come after it in program order. Base
// causality order is transitive over all of these, so the loads see the write: no block waits for another, and no L1
// cache gives what it held before (the acquire at the scope of the GPU drops it: CCTL.IVALL in the machine code). Not
// by way of the read-only cache (ld.global.nc), which the model leaves out.
GPU_DEVICE bool arrives_last(std::uint32_t* count, int blocks) {
  GPU_SHARED(std::uint32_t, before, 1);
  const auto last = static_cast<std::uint32_t>(blocks) - 1;
  block_barrier();
  if (thread_index() == 0) before[0] = count_arrival(count, last);
  block_barrier();
  return before[0] == last;
}

}  // namespace gpuinfer::backend::cuda::ptx
