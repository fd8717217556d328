// What is known of a GPU, for people.
#pragma once

#include <string>
#include <vector>

#include "runtime/backend/cuda/device.hpp"

namespace gpuinfer::backend::cuda {

/// Lines: name and compute capability; memory; versions of CUDA.
std::vector<std::string> describe(const Device& device);

/// Bytes read and written in a second, in GB, by copies from the GPU's memory to itself: the roof of what is bound by
/// its memory. Takes a gigabyte of it, or less where less is free, and some tenths of a second. Throws Error where the
/// GPU fails.
double measure_copy_bandwidth(const Device& device);

}  // namespace gpuinfer::backend::cuda
