// A libcuda.so.1 with which CUDA's runtime starts, and fails: GPUINFER_FAKE_DRIVER may have
//
//   version=12040   what the driver supports, here CUDA 12.4
//   init=100        what cuInit() answers (CUresult); 100 is "no device"
//
// Beyond cuInit() the runtime asks whether the driver is NVIDIA's own, and this one does not pretend to be.
#include <cuda.h>

#include <cstring>

#include "settings.hpp"

#undef cuGetProcAddress

namespace {

std::int64_t setting(const char* name, std::int64_t otherwise) {
  static const gpuinfer::fakes::Settings settings = gpuinfer::fakes::settings_of("GPUINFER_FAKE_DRIVER");
  return gpuinfer::fakes::setting(settings, name, otherwise);
}

/// Of whatever arguments: the caller removes them.
CUresult not_supported() { return CUDA_ERROR_NOT_SUPPORTED; }

}  // namespace

extern "C" {

CUresult cuInit(unsigned) { return static_cast<CUresult>(setting("init", CUDA_SUCCESS)); }

CUresult cuDriverGetVersion(int* version) {
  *version = static_cast<int>(setting("version", CUDA_VERSION));
  return CUDA_SUCCESS;
}

CUresult cuGetProcAddress_v2(const char* symbol, void** function, int, cuuint64_t,
                             CUdriverProcAddressQueryResult* status) {
  *function = reinterpret_cast<void*>(&not_supported);
  if (std::strcmp(symbol, "cuInit") == 0) *function = reinterpret_cast<void*>(&cuInit);
  if (std::strcmp(symbol, "cuDriverGetVersion") == 0) *function = reinterpret_cast<void*>(&cuDriverGetVersion);
  if (std::strcmp(symbol, "cuGetProcAddress") == 0) *function = reinterpret_cast<void*>(&cuGetProcAddress_v2);
  if (status != nullptr) *status = CU_GET_PROC_ADDRESS_SUCCESS;
  return CUDA_SUCCESS;
}

CUresult cuGetProcAddress(const char* symbol, void** function, int version, cuuint64_t flags) {
  return cuGetProcAddress_v2(symbol, function, version, flags, nullptr);
}
}
