// A libnccl.so.2 for GPUs whose memory is the host's: what is gathered is copied at once. GPUINFER_FAKE_NCCL may have
//
//   init=2      what ncclCommInitAll() answers (ncclResult_t)
//   gathers=5   gathers that succeed before all fail
#include <cstdlib>
#include <cstring>
#include <vector>

#include "settings.hpp"

struct ncclComm {
  int rank;
  int ranks;
};

namespace {

std::int64_t setting(const char* name, std::int64_t otherwise) {
  return gpuinfer::fakes::setting(gpuinfer::fakes::settings_of("GPUINFER_FAKE_NCCL"), name, otherwise);
}

constexpr int kInternalError = 3;
constexpr int kInvalidUsage = 5;
constexpr int kFloat32 = 7;

struct Gather {
  const void* part;
  void* whole;
  std::size_t bytes;
  int rank;
  int ranks;
};

int group_depth = 0;
std::vector<Gather> gathers;
std::int64_t gathers_done = 0;

/// The n-th gather of one rank belongs to the n-th of any other.
int do_gathers() {
  std::vector<std::vector<Gather>> of_ranks;
  for (const Gather& gather : gathers) {
    of_ranks.resize(static_cast<std::size_t>(gather.ranks));
    of_ranks[static_cast<std::size_t>(gather.rank)].push_back(gather);
  }
  gathers.clear();
  for (const std::vector<Gather>& gives : of_ranks) {
    if (gives.size() != of_ranks.front().size()) return kInvalidUsage;  // NCCL would wait for ever.
    for (const std::vector<Gather>& takes : of_ranks) {
      for (std::size_t i = 0; i < gives.size(); ++i) {
        auto* const place =
            static_cast<std::byte*>(takes[i].whole) + gives[i].bytes * static_cast<std::size_t>(gives[i].rank);
        std::memcpy(place, gives[i].part, gives[i].bytes);
      }
    }
  }
  return gathers_done++ < setting("gathers", std::int64_t{1} << 62) ? 0 : kInternalError;
}

}  // namespace

extern "C" {

const char* ncclGetErrorString(int result) {
  return result == kInvalidUsage    ? "invalid usage"
         : result == kInternalError ? "internal error"
                                    : "unhandled system error";
}

int ncclCommInitAll(ncclComm** communicators, int count, const int*) {
  // What NCCL allocates later is not in the memory plan.
  const char* const connects_later = std::getenv("NCCL_RUNTIME_CONNECT");
  if (connects_later == nullptr || std::strcmp(connects_later, "0") != 0) return kInvalidUsage;
  for (int rank = 0; rank < count; ++rank) communicators[rank] = new ncclComm{rank, count};
  return static_cast<int>(setting("init", 0));
}

int ncclCommAbort(ncclComm* communicator) {
  delete communicator;
  return 0;
}

int ncclGroupStart() {
  ++group_depth;
  return 0;
}

int ncclGroupEnd() { return --group_depth == 0 && !gathers.empty() ? do_gathers() : 0; }

int ncclAllGather(const void* part, void* whole, std::size_t count, int type, ncclComm* communicator, void*) {
  if (group_depth == 0 || type != kFloat32) return kInvalidUsage;
  gathers.push_back({part, whole, count * sizeof(float), communicator->rank, communicator->ranks});
  return 0;
}
}
