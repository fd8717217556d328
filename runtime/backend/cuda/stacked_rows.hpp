// Matrices of a model that become one on the GPU.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/model/tensor.hpp"

namespace gpuinfer::backend::cuda {

/// The rows of tensors with the same number of columns, those of the first before those of the second, and so on. The
/// tensors must live as long.
class StackedRows {
 public:
  struct Row {
    const model::Tensor& tensor;
    std::int64_t index;
  };

  void add(const model::Tensor& tensor) {
    tensors_.push_back(&tensor);
    ends_.push_back(count() + tensor.rows());
  }

  const std::vector<const model::Tensor*>& tensors() const { return tensors_; }
  std::int64_t count() const { return ends_.empty() ? 0 : ends_.back(); }
  std::int64_t columns() const { return tensors_.front()->columns(); }
  Row operator[](std::int64_t row) const;

 private:
  std::vector<const model::Tensor*> tensors_;
  std::vector<std::int64_t> ends_;
};

}  // namespace gpuinfer::backend::cuda
