// NCCL, looked for when it is needed: a library of some hundred megabytes that a single GPU does without.
#include "runtime/backend/cuda/communicator.hpp"

#include <dlfcn.h>

#include <cstddef>
#include <cstdlib>
#include <string>

#include "base/error.hpp"

namespace gpuinfer::backend::cuda {
namespace {

constexpr const char* kLibrary = "libnccl.so.2";

// As nccl.h of NCCL 2 declares them (docs.nvidia.com/deeplearning/nccl: NCCL API).
using Result = int;
constexpr Result kSuccess = 0;
constexpr int kFloat32 = 7;

struct Nccl {
  const char* (*error_string)(Result);
  Result (*init_all)(ncclComm** communicators, int count, const int* devices);
  Result (*abort)(ncclComm*);
  Result (*group_start)();
  Result (*group_end)();
  Result (*all_gather)(const void* part, void* whole, std::size_t count, int type, ncclComm*, Stream);
};

Error missing(const std::string& why) {
  return Error("more than one GPU needs NVIDIA's NCCL: " + why,
               "Put libnccl.so.2 for CUDA 13 (package libnccl2, or nvidia-nccl-cu13 from PyPI) where the linker finds "
               "it or where LD_LIBRARY_PATH says; see docs/cuda.md.");
}

/// NCCL 2.22 and newer connect GPUs, and allocate the buffers between them, when they first gather something: after
/// the memory plan has given away what is free. This makes ncclCommInitAll() do it (NCCL: environment variables).
void connect_at_once() { setenv("NCCL_RUNTIME_CONNECT", "0", 0); }

Nccl load() {
  connect_at_once();
  void* const library = dlopen(kLibrary, RTLD_NOW);
  if (library == nullptr) throw missing(dlerror());
  const auto find = [&]<typename Function>(Function*& function, const char* name) {
    function = reinterpret_cast<Function*>(dlsym(library, name));
    if (function == nullptr) throw missing(std::string(kLibrary) + " has no " + name);
  };
  Nccl nccl{};
  find(nccl.error_string, "ncclGetErrorString");
  find(nccl.init_all, "ncclCommInitAll");
  find(nccl.abort, "ncclCommAbort");
  find(nccl.group_start, "ncclGroupStart");
  find(nccl.group_end, "ncclGroupEnd");
  find(nccl.all_gather, "ncclAllGather");
  return nccl;
}

/// It is never unloaded. Throws Error, also when it is called again.
const Nccl& nccl() {
  static const Nccl loaded = load();
  return loaded;
}

void check(Result result, const char* what) {
  if (result == kSuccess) return;
  throw Error(std::string("NCCL fails to ") + what + ": " + nccl().error_string(result),
              "Set NCCL_DEBUG=WARN: then NCCL says why.");
}

}  // namespace

Communicator::Communicator(std::int64_t ranks) : communicators_(static_cast<std::size_t>(ranks)) {
  check(nccl().init_all(communicators_.data(), static_cast<int>(ranks), nullptr), "bring the GPUs together");
}

Communicator::~Communicator() {
  static_cast<void>(nccl().group_start());
  for (ncclComm* communicator : communicators_) static_cast<void>(nccl().abort(communicator));
  static_cast<void>(nccl().group_end());
}

void Communicator::gather(std::span<const Member> members, std::int64_t rows, std::int64_t columns) {
  // Calls for several GPUs from one thread belong into a group; NCCL makes one kernel of a rank's rows.
  check(nccl().group_start(), "gather");
  Result result = kSuccess;
  for (std::size_t rank = 0; rank < members.size(); ++rank) {
    const auto& [part, whole, stream] = members[rank];
    const std::int64_t row_of_whole = columns * std::ssize(members);
    for (std::int64_t row = 0; row < rows && result == kSuccess; ++row) {
      result = nccl().all_gather(part + row * columns, whole + row * row_of_whole, static_cast<std::size_t>(columns),
                                 kFloat32, communicators_[rank], stream);
    }
  }
  const Result end = nccl().group_end();
  check(result, "gather");
  check(end, "gather");
}

}  // namespace gpuinfer::backend::cuda
