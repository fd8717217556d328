#include "runtime/backend/cuda/mxfp4_row.hpp"

namespace gpuinfer::backend::cuda {
namespace {

constexpr std::size_t kBlockBytes = 16;

}  // namespace

bool is_mxfp4(const model::Tensor& tensor) {
  return tensor.type == model::DataType::kMxfp4 || tensor.type == model::DataType::kMxfp4Ggml;
}

Mxfp4Row::Mxfp4Row(const model::Tensor& tensor, std::int64_t index) : blocks_(tensor.row(index)) {
  if (tensor.type == model::DataType::kMxfp4) {
    scales_ = tensor.row_scales(index);
    return;
  }
  // ggml: the scale, then bytes whose low nibbles are the first half of the block.
  for (std::size_t block = 0; block < blocks_.size(); block += 1 + kBlockBytes) {
    own_scales_.push_back(blocks_[block]);
    const auto nibble = [&](std::size_t i) {
      const std::byte pair = blocks_[block + 1 + i % kBlockBytes];
      return i < kBlockBytes ? pair & std::byte{15} : pair >> 4;
    };
    for (std::size_t i = 0; i < 2 * kBlockBytes; i += 2) own_blocks_.push_back(nibble(i) | nibble(i + 1) << 4);
  }
}

}  // namespace gpuinfer::backend::cuda
