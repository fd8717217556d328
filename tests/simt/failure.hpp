// How a launch under tests/simt ends when a GPU would have gone wrong.
#pragma once

#include <stdexcept>

namespace gpuinfer::simt {

/// "kernel embed under schedule 2, block (3, 0, 0), thread 17 touches memory outside of its buffers".
class Failure : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace gpuinfer::simt
