// The queue of a GPU that kernels are launched into.
#pragma once

struct CUstream_st;

namespace gpuinfer::backend::cuda {

/// A cudaStream_t, for code that does not include CUDA's headers.
using Stream = CUstream_st*;

}  // namespace gpuinfer::backend::cuda
