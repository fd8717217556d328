#include "runtime/selftest/cases.hpp"

#include <cmath>

#include "runtime/model/rope.hpp"

namespace gpuinfer::selftest {
namespace {

using model::Activation;
using model::ModelConfig;
using model::Rope;

constexpr std::int64_t kMaxPositions = 16384;

std::vector<model::LayerConfig> layers(std::int64_t count) {
  return std::vector<model::LayerConfig>(static_cast<std::size_t>(count));
}

/// Every `period`th layer sees all positions and has rope `full_rope`, the others see `window`.
std::vector<model::LayerConfig> alternating(std::int64_t count, std::int64_t period, std::int64_t window,
                                            std::size_t full_rope) {
  std::vector<model::LayerConfig> all = layers(count);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool is_full = static_cast<std::int64_t>(i) % period == period - 1;
    all[i] = is_full ? model::LayerConfig{.sliding_window = {}, .rope = full_rope}
                     : model::LayerConfig{.sliding_window = window};
  }
  return all;
}

Rope plain_rope(double theta, std::int64_t head_dim) {
  return {.inverse_frequencies = model::rope_inverse_frequencies(theta, head_dim)};
}

Rope llama3_rope(std::int64_t head_dim) {
  return {.inverse_frequencies = model::scale_llama3(model::rope_inverse_frequencies(500000, head_dim), {})};
}

Rope yarn_rope(std::int64_t head_dim) {
  constexpr double kTheta = 150000;
  const model::YarnRopeScaling scaling{.factor = 32, .truncate = false};
  return {.inverse_frequencies = model::scale_yarn(model::rope_inverse_frequencies(kTheta, head_dim), kTheta, scaling),
          .magnitude = model::yarn_magnitude(scaling.factor)};
}

/// What all have: heads in groups that share keys and values.
ModelConfig config_of(const FamilySize& size, std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim) {
  return {.vocab_size = size.vocab,
          .hidden_size = size.hidden,
          .intermediate_size = size.intermediate,
          .num_attention_heads = heads,
          .num_key_value_heads = kv_heads,
          .head_dim = head_dim,
          .max_position_embeddings = kMaxPositions,
          .attention_scale = 1 / std::sqrt(static_cast<float>(head_dim)),
          .ropes = {plain_rope(10000, head_dim)},
          .layers = layers(size.layers)};
}

ModelShape llama(const FamilySize& size) {
  ModelShape shape{.config = config_of(size, 4, 2, size.head_dim)};
  shape.config.ropes = {llama3_rope(size.head_dim)};
  return shape;
}

ModelShape qwen2(const FamilySize& size) {
  return {.config = config_of(size, 7, 1, size.head_dim), .has_qkv_biases = true, .has_tied_head = true};
}

ModelShape qwen3(const FamilySize& size) {
  return {.config = config_of(size, 4, 2, 2 * size.head_dim), .has_qk_norm = true, .has_tied_head = true};
}

ModelShape gemma3(const FamilySize& size) {
  const std::int64_t head_dim = 4 * size.head_dim;
  ModelShape shape{
      .config = config_of(size, 4, 1, head_dim), .has_qk_norm = true, .has_branch_norms = true, .has_tied_head = true};
  shape.config.embedding_scale = std::sqrt(static_cast<float>(size.hidden));
  shape.config.activation = Activation::kGeluTanh;
  shape.config.ropes = {plain_rope(10000, head_dim), plain_rope(1000000, head_dim)};
  shape.config.layers = alternating(size.layers, size.layers, size.window, 1);
  return shape;
}

ModelShape qwen3_moe(const FamilySize& size) {
  ModelShape shape{.config = config_of(size, 4, 2, 2 * size.head_dim), .has_qk_norm = true};
  shape.config.num_experts = size.experts;
  shape.config.num_experts_per_tok = 2;
  shape.config.softmax_over_picked = false;
  return shape;
}

ModelShape gpt_oss(const FamilySize& size, std::int64_t heads, std::int64_t kv_heads) {
  ModelShape shape{.config = config_of(size, heads, kv_heads, size.head_dim),
                   .has_qkv_biases = true,
                   .has_other_biases = true,
                   .has_sinks = true,
                   .has_mxfp4_experts = true};
  shape.config.activation = Activation::kClampedSwiglu;
  shape.config.swiglu_limit = 7;
  shape.config.num_experts = size.experts;
  shape.config.num_experts_per_tok = 4;
  shape.config.ropes = {yarn_rope(size.head_dim)};
  shape.config.layers = alternating(size.layers, 2, size.window, 0);
  return shape;
}

/// At these sizes the reference needs half a second for a family.
constexpr FamilySize kSmall = {
    .vocab = 1003, .hidden = 256, .intermediate = 352, .layers = 2, .head_dim = 64, .experts = 8, .window = 48};

/// Sizes of which a case replaces what it is about.
FamilySize one_layer() {
  FamilySize size = kSmall;
  size.vocab = 64;
  size.layers = 1;
  return size;
}

Case gpt_oss_layer() {
  FamilySize size = one_layer();
  size.hidden = 2880;
  size.intermediate = 2880;
  return {.name = "gpt-oss, a layer of its real size",
          .shape = gpt_oss(size, 64, 8),
          .tokens = 8,
          .batch_sizes = {2, 8, 64, 256},
          .longest_prompt = 4};
}

Case llama_layer() {
  FamilySize size = one_layer();
  size.hidden = 2048;
  size.intermediate = 8192;
  return {.name = "Llama 3.2 1B, a layer of its real size",
          .shape = {.config = config_of(size, 32, 8, 64)},
          .tokens = 8,
          .batch_sizes = {2, 8, 64},
          .longest_prompt = 4};
}

Case large_vocabulary() {
  FamilySize size = one_layer();
  size.vocab = 201088;
  size.hidden = 64;
  return {
      .name = "a vocabulary of 201,088", .shape = llama(size), .tokens = 12, .batch_sizes = {70}, .longest_prompt = 8};
}

/// Two heads and little else, so that the reference comes to some thousand positions.
Case long_context(const std::string& name, ModelShape shape, std::int64_t tokens) {
  shape.config.num_attention_heads = 2;
  shape.config.num_key_value_heads = 1;
  return {.name = name, .shape = std::move(shape), .tokens = tokens, .batch_sizes = {3}, .longest_prompt = tokens - 50};
}

}  // namespace

std::vector<Case> family_cases(const FamilySize& size) {
  return {{.name = "Llama 3", .shape = llama(size)},        {.name = "Qwen 2.5", .shape = qwen2(size)},
          {.name = "Qwen 3", .shape = qwen3(size)},         {.name = "Gemma 3", .shape = gemma3(size)},
          {.name = "Qwen 3 MoE", .shape = qwen3_moe(size)}, {.name = "gpt-oss", .shape = gpt_oss(size, 8, 1)}};
}

std::vector<Case> all_cases() {
  std::vector<Case> cases = family_cases(kSmall);
  for (Case& one : cases) {
    one.tokens = 160;
    one.batch_sizes = {2, 8, 33, 256};
    one.longest_prompt = 140;
  }
  cases.push_back(gpt_oss_layer());
  cases.push_back(llama_layer());
  cases.push_back(large_vocabulary());
  FamilySize narrow = one_layer();
  narrow.hidden = narrow.intermediate = 64;
  cases.push_back(long_context("1,300 positions, heads of 256", gemma3(narrow), 1300));
  cases.push_back(long_context("1,300 positions, heads of 128", qwen3(narrow), 1300));
  narrow.layers = 2;
  narrow.window = 128;
  cases.push_back(long_context("4,200 positions, heads of 64, sinks", gpt_oss(narrow, 2, 1), 4200));
  return cases;
}

}  // namespace gpuinfer::selftest
