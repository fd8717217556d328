// A row of MXFP4 weights, whatever file it comes from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/model/tensor.hpp"

namespace gpuinfer::backend::cuda {

bool is_mxfp4(const model::Tensor& tensor);

/// In the layout of gpt-oss's safetensors, as pack_mxfp4_numbers() and pack_mxfp4_scales() read it.
class Mxfp4Row {
 public:
  /// Row `index` of a tensor that is_mxfp4(), which must live as long.
  Mxfp4Row(const model::Tensor& tensor, std::int64_t index);

  std::span<const std::byte> blocks() const { return own_blocks_.empty() ? blocks_ : own_blocks_; }
  std::span<const std::byte> scales() const { return own_scales_.empty() ? scales_ : own_scales_; }

 private:
  std::span<const std::byte> blocks_;
  std::span<const std::byte> scales_;
  std::vector<std::byte> own_blocks_;
  std::vector<std::byte> own_scales_;
};

}  // namespace gpuinfer::backend::cuda
