#include "runtime/backend/cuda/stacked_rows.hpp"

#include <algorithm>

namespace gpuinfer::backend::cuda {

StackedRows::Row StackedRows::operator[](std::int64_t row) const {
  const auto i = static_cast<std::size_t>(std::ranges::upper_bound(ends_, row) - ends_.begin());
  return {*tensors_[i], i == 0 ? row : row - ends_[i - 1]};
}

}  // namespace gpuinfer::backend::cuda
