// NCCL's twin: what the GPUs that tests/simt plays give each other, copied at once.
#include "runtime/backend/cuda/communicator.hpp"

#include <algorithm>
#include <vector>

#include "simt/device_memory.hpp"
#include "simt/failure.hpp"
#include "simt/recording.hpp"

namespace gpuinfer::backend::cuda {

Communicator::Communicator(std::int64_t ranks) : communicators_(static_cast<std::size_t>(ranks)) {}

Communicator::~Communicator() = default;

void Communicator::gather(std::span<const Member> members, std::int64_t rows, std::int64_t columns) {
  if (simt::recording() != nullptr) throw simt::Failure("GPUs give each other something while launches are recorded");
  if (members.size() != communicators_.size()) throw simt::Failure("some ranks do not take part in a gather");
  for (std::size_t rank = 0; rank < members.size(); ++rank) {
    const simt::Opened open_part(members[rank].part);
    const std::vector<float> part(members[rank].part, members[rank].part + rows * columns);
    for (const Member& member : members) {
      const simt::Opened open_whole(member.whole);
      for (std::int64_t row = 0; row < rows; ++row) {
        const std::int64_t place = row * std::ssize(members) + static_cast<std::int64_t>(rank);
        std::copy_n(part.begin() + row * columns, columns, member.whole + place * columns);
      }
    }
  }
}

}  // namespace gpuinfer::backend::cuda
