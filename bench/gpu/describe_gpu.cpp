// Prints what is known of the GPU and how fast its memory copies: the roof of every decode figure of bench/gpu/measure.
// Exit code 3 and the reason where there is none.
#include <cstdio>
#include <exception>

#include "runtime/backend/cuda/device.hpp"
#include "runtime/backend/select.hpp"

int main() {
  try {
    for (const std::string& line : gpuinfer::backend::describe_gpu()) std::printf("%s\n", line.c_str());
    return 0;
  } catch (const gpuinfer::backend::cuda::NoDevice& error) {
    std::fprintf(stderr, "no GPU: %s\n", error.what());
    return 3;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
