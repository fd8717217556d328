// Dequantising tensor by tensor.
#include "float32_model.hpp"

#include <map>

namespace gpuinfer::model {
namespace {

std::shared_ptr<const std::vector<std::byte>> float32_bytes(const Tensor& tensor) {
  const auto columns = static_cast<std::size_t>(tensor.columns());
  auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(tensor.rows()) * columns * 4);
  float* next = reinterpret_cast<float*>(bytes->data());
  for (std::int64_t row = 0; row < tensor.rows(); ++row, next += columns) {
    dequantize_row(tensor, row, {next, columns});
  }
  return bytes;
}

}  // namespace

Model to_float32(Model model) {
  // By where the original lies: a tied lm_head is the embedding.
  std::map<const std::byte*, std::shared_ptr<const std::vector<std::byte>>> converted;
  for_each_tensor(model.weights, [&](Tensor& tensor) {
    auto& bytes = converted[tensor.bytes.data()];
    if (bytes == nullptr) {
      bytes = float32_bytes(tensor);
      model.buffers.push_back(bytes);
    }
    tensor = {.type = DataType::kF32, .shape = tensor.shape, .bytes = *bytes, .name = tensor.name};
  });
  return model;
}

}  // namespace gpuinfer::model
