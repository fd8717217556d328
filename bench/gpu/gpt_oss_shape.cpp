// Takes the place of runtime/backend/cuda/device_model.cpp: the arrays that the kernels would read, of a model without
// weights.
#include "bench/gpu/gpt_oss_shape.hpp"

#include "runtime/backend/cuda/device_model.hpp"

namespace gpuinfer::bench {

model::Model gpt_oss_shape(std::int64_t layers, std::int64_t experts) {
  constexpr std::int64_t kHeadDim = 64;
  model::Model model;
  model.config = {.vocab_size = 201088,
                  .hidden_size = 2880,
                  .intermediate_size = 2880,
                  .num_attention_heads = 64,
                  .num_key_value_heads = 8,
                  .head_dim = kHeadDim,
                  .max_position_embeddings = 131072,
                  .activation = model::Activation::kClampedSwiglu,
                  .swiglu_limit = 7,
                  .num_experts = experts,
                  .num_experts_per_tok = 4,
                  .ropes = {{.inverse_frequencies = std::vector<double>(kHeadDim / 2)}},
                  .layers = {}};
  for (std::int64_t i = 0; i < layers; ++i) {
    const bool is_sliding = i % 2 == 0;
    model.config.layers.push_back({.sliding_window = is_sliding ? std::optional<std::int64_t>(128) : std::nullopt});
  }
  return model;
}

}  // namespace gpuinfer::bench

namespace gpuinfer::backend::cuda {
namespace {

/// Hands out addresses in one array, from its beginning on; without an array it only counts.
class Places {
 public:
  explicit Places(std::byte* begin) : begin_(begin) {}

  std::int64_t bytes() const { return bytes_; }

  template <typename T>
  const T* add(std::int64_t elements) {
    constexpr std::int64_t kAlignment = 256;
    const std::byte* place = begin_ == nullptr ? nullptr : begin_ + bytes_;
    bytes_ += (elements * std::int64_t{sizeof(T)} + kAlignment - 1) / kAlignment * kAlignment;
    return reinterpret_cast<const T*>(place);
  }

  DeviceLinear linear(std::int64_t rows, std::int64_t columns, bool has_bias = true) {
    return {.weight = add<Bfloat16>(rows * columns),
            .bias = has_bias ? add<float>(rows) : nullptr,
            .rows = rows,
            .columns = columns};
  }

  DeviceExperts experts(std::int64_t count, std::int64_t rows, std::int64_t columns) {
    const Mxfp4Matrix matrix{.rows = rows, .columns = columns};
    return {.weight = Mxfp4Experts{.words = add<std::uint32_t>(count * matrix.words()),
                                   .scales = add<std::uint32_t>(count * matrix.scale_words())},
            .bias = add<float>(count * rows),
            .rows = rows,
            .columns = columns};
  }

 private:
  std::byte* begin_;
  std::int64_t bytes_ = 0;
};

DeviceModel place_model(const model::ModelConfig& config, Places& places) {
  const std::int64_t hidden = config.hidden_size;
  DeviceModel device;
  device.embedding = places.add<Bfloat16>(config.vocab_size * hidden);
  device.turns_per_position = {places.add<double>(config.head_dim / 2)};
  for (std::size_t i = 0; i < config.layers.size(); ++i) {
    DeviceLayer layer;
    layer.input_norm = places.add<float>(hidden);
    layer.qkv = places.linear(config.q_size() + 2 * config.kv_size(), hidden);
    layer.sinks = places.add<float>(config.num_attention_heads);
    layer.o = places.linear(hidden, config.q_size());
    layer.mlp_norm = places.add<float>(hidden);
    layer.router = places.linear(config.num_experts, hidden);
    layer.expert_gate_up = places.experts(config.num_experts, 2 * config.intermediate_size, hidden);
    layer.expert_down = places.experts(config.num_experts, hidden, config.intermediate_size);
    device.layers.push_back(layer);
  }
  device.norm = places.add<float>(hidden);
  device.lm_head = places.linear(config.vocab_size, hidden, false);
  return device;
}

}  // namespace

std::int64_t device_bytes(const Shard& shard) {
  Places places(nullptr);
  place_model(shard.model.config, places);
  return places.bytes();
}

/// Of a single GPU.
std::vector<DeviceModel> upload_shards(std::span<const Shard> shards, ThreadPool& /*pool*/,
                                       std::span<Queue> /*queues*/) {
  DeviceArray<std::byte> memory(static_cast<std::size_t>(device_bytes(shards.front())));
  Places places(memory.data());
  std::vector<DeviceModel> devices;
  devices.push_back(place_model(shards.front().model.config, places));
  devices.front().memory = std::move(memory);
  return devices;
}

}  // namespace gpuinfer::backend::cuda
