// The wrappers as nvcc sees them.
#include "tests/simt/wrappers.cuh"
