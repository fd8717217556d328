// Packing every matrix of a model.
#include "runtime/backend/cpu/packed_model.hpp"

#include <algorithm>

#include "runtime/backend/cpu/matmul.hpp"
#include "runtime/backend/first_error.hpp"
#include "runtime/model/finite.hpp"

namespace gpuinfer::backend {
namespace {

constexpr std::size_t kAlignment = 64;

std::vector<float> to_floats(const model::Tensor& vector) {
  if (vector.empty()) return {};
  check_finite(vector);
  std::vector<float> values(static_cast<std::size_t>(vector.columns()));
  dequantize_row(vector, 0, values);
  return values;
}

/// Calls task(index) for each of `count` groups on the threads of `pool`, and throws what one of them throws.
template <typename Task>
void for_each_group(ThreadPool& pool, std::int64_t count, const Task& task) {
  constexpr std::int64_t kGroupsPerTask = 64;
  FirstError error;
  pool.parallel_for((count + kGroupsPerTask - 1) / kGroupsPerTask, [&](std::int64_t index) {
    error.catch_in([&] {
      const std::int64_t begin = index * kGroupsPerTask;
      for (std::int64_t group = begin; group < std::min(begin + kGroupsPerTask, count); ++group) task(group);
    });
  });
  error.rethrow();
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
    packed = plan_packing(tensor, matmul_group_rows());
    items_.push_back({&tensor, &packed, size_});
    size_ += (packed.bytes_needed() + kAlignment - 1) / kAlignment * kAlignment;
  }

  HugeBuffer pack(ThreadPool& pool, model::LoadProgress& progress) const {
    HugeBuffer memory(size_);
    for (const Item& item : items_) progress.total_bytes += item.tensor->stored_bytes();
    for (const Item& item : items_) {
      const auto bytes = memory.bytes().subspan(item.offset, item.packed->bytes_needed());
      item.packed->bytes = bytes;
      for_each_group(pool, item.packed->groups(), [&](std::int64_t group) {
        const std::int64_t row = group * item.packed->group_rows;
        check_finite(*item.tensor, row, std::min(row + item.packed->group_rows, item.packed->rows));
        pack_groups(*item.tensor, *item.packed, group, group + 1, bytes);
        const auto stored_before = [&](std::int64_t groups) {
          return item.tensor->stored_bytes() * groups / item.packed->groups();
        };
        progress.loaded_bytes += stored_before(group + 1) - stored_before(group);
      });
    }
    return memory;
  }

 private:
  struct Item {
    const model::Tensor* tensor;
    PackedMatrix* packed;
    std::size_t offset;
  };

  std::vector<Item> items_;
  std::size_t size_ = 0;
};

}  // namespace

PackedModel pack_model(const model::Model& model, ThreadPool& pool) {
  for (const auto& file : model.files) file->fetch_all();  // Where they were to be streamed to another backend.
  PackedModel packed;
  packed.config = model.config;
  packed.embedding = model.weights.embedding;
  packed.norm = to_floats(model.weights.norm);
  packed.files.assign(model.files.begin(), model.files.end());

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
  packed.memory = packer.pack(pool, *model.progress);
  if (packed.embedding.bytes.data() != model.weights.lm_head.bytes.data()) {
    for_each_group(pool, packed.embedding.rows(),
                   [&](std::int64_t row) { check_finite(packed.embedding, row, row + 1); });
  }
  for (const auto& file : packed.files) {
    file->check();
    file->release_pages();
  }
  return packed;
}

}  // namespace gpuinfer::backend
