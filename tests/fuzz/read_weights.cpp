#include "tests/fuzz/read_weights.hpp"

#include <vector>

namespace gpuinfer::fuzz {

void read_weights(const model::Model& model) {
  for_each_tensor(model.weights, [](const model::Tensor& tensor) {
    std::vector<float> row(static_cast<std::size_t>(tensor.columns()));
    for (std::int64_t i = 0; i < tensor.rows(); ++i) dequantize_row(tensor, i, row);
  });
}

}  // namespace gpuinfer::fuzz
