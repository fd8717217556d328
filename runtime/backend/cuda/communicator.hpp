// How GPUs get what the others have computed. communicator.cpp implements it with NVIDIA's NCCL, tests/simt/
// communicator.cpp for the GPUs that the tests play.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/backend/cuda/stream.hpp"

struct ncclComm;

namespace gpuinfer::backend::cuda {

/// Of several GPUs of this machine, GPU i being rank i. One thread drives all of them.
class Communicator {
 public:
  /// What a rank gives and gets.
  struct Member {
    const float* part = nullptr;  ///< [rows, columns]
    float* whole = nullptr;       ///< [rows, ranks, columns]
    Stream stream = nullptr;      ///< of the rank's GPU: it happens there, in its order
  };

  /// Throws Error where NCCL is not there, or cannot bring these GPUs together.
  explicit Communicator(std::int64_t ranks);
  /// What is under way is given up: no GPU waits for another one that has failed.
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  /// Every whole becomes all parts, side by side. Throws Error where NCCL refuses.
  void gather(std::span<const Member> members, std::int64_t rows, std::int64_t columns);

 private:
  std::vector<ncclComm*> communicators_;
};

}  // namespace gpuinfer::backend::cuda
