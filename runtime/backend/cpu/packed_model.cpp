// Packing every matrix of a model.
#include "runtime/backend/cpu/packed_model.hpp"

#include <algorithm>

#include "runtime/backend/cpu/matmul.hpp"

namespace gpuinfer::backend {
namespace {

constexpr std::size_t kAlignment = 64;

std::vector<float> to_floats(const model::Tensor& vector) {
  if (vector.empty()) return {};
  std::vector<float> values(static_cast<std::size_t>(vector.columns()));
  dequantize_row(vector, 0, values);
  return values;
}

/// Plans where each matrix will lie, then fills them all at once.
class Packer {
 public:
  void add(const model::Linear& linear, PackedLinear& packed) {
    add(linear.weight, packed.weight);
    packed.bias = to_floats(linear.bias);
  }

  void add(const model::Tensor& tensor, PackedMatrix& packed) {
    if (tensor.empty()) return;
    packed.type = tensor.type;
    packed.rows = tensor.rows();
    packed.columns = tensor.columns();
    packed.lanes = lanes_;
    items_.push_back({&tensor, &packed, size_});
    size_ += (packed_bytes(tensor, lanes_) + kAlignment - 1) / kAlignment * kAlignment;
  }

  HugeBuffer pack(ThreadPool& pool) const {
    HugeBuffer memory(size_);
    for (const Item& item : items_) {
      const auto bytes = memory.bytes().subspan(item.offset, packed_bytes(*item.tensor, lanes_));
      item.packed->bytes = bytes;
      const std::int64_t groups = item.packed->groups();
      pool.parallel_for((groups + kGroupsPerTask - 1) / kGroupsPerTask, [&](std::int64_t task) {
        const std::int64_t begin = task * kGroupsPerTask;
        pack_groups(*item.tensor, lanes_, begin, std::min(begin + kGroupsPerTask, groups), bytes);
      });
    }
    return memory;
  }

 private:
  static constexpr std::int64_t kGroupsPerTask = 64;

  struct Item {
    const model::Tensor* tensor;
    PackedMatrix* packed;
    std::size_t offset;
  };

  std::int64_t lanes_ = matmul_lanes();
  std::vector<Item> items_;
  std::size_t size_ = 0;
};

}  // namespace

PackedModel pack_model(const model::Model& model, ThreadPool& pool) {
  PackedModel packed;
  packed.config = model.config;
  packed.embedding = model.weights.embedding;
  packed.norm = to_floats(model.weights.norm);
  packed.files = model.files;

  Packer packer;
  packed.layers.resize(model.weights.layers.size());
  for (std::size_t i = 0; i < packed.layers.size(); ++i) {
    const model::LayerWeights& from = model.weights.layers[i];
    PackedLayer& to = packed.layers[i];
    to.input_norm = to_floats(from.input_norm);
    to.q_norm = to_floats(from.q_norm);
    to.k_norm = to_floats(from.k_norm);
    to.sinks = to_floats(from.sinks);
    to.attention_output_norm = to_floats(from.attention_output_norm);
    to.mlp_norm = to_floats(from.mlp_norm);
    to.mlp_output_norm = to_floats(from.mlp_output_norm);
    packer.add(from.q, to.q);
    packer.add(from.k, to.k);
    packer.add(from.v, to.v);
    packer.add(from.o, to.o);
    packer.add(from.router, to.router);
    to.experts.resize(from.experts.size());
    for (std::size_t e = 0; e < to.experts.size(); ++e) {
      packer.add(from.experts[e].gate, to.experts[e].gate);
      packer.add(from.experts[e].up, to.experts[e].up);
      packer.add(from.experts[e].down, to.experts[e].down);
    }
  }
  packer.add(model.weights.lm_head, packed.lm_head);
  packed.memory = packer.pack(pool);
  for (const auto& file : packed.files) file->release_pages();
  return packed;
}

}  // namespace gpuinfer::backend
