// Launches that are put off, as when CUDA captures them for a graph.
#pragma once

#include <functional>
#include <vector>

namespace gpuinfer::simt {

/// Done when they are called.
using Launches = std::vector<std::function<void()>>;

/// Where launches go instead of being done; null: they are done at once.
Launches*& recording();

}  // namespace gpuinfer::simt
