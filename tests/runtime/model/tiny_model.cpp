// Random weights in every stored type.
#include "tiny_model.hpp"

#include <bit>
#include <cmath>
#include <random>
#include <stdexcept>

#include "gguf_writer.hpp"

namespace gpuinfer::model {
namespace {

template <typename T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// float16 of a number within its range; the mantissa is cut.
std::uint16_t to_float16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::fabs(value) < 0x1p-14F) {  // subnormal: a multiple of 2^-24
    return static_cast<std::uint16_t>((bits >> 16 & 0x8000) | static_cast<std::uint32_t>(std::fabs(value) * 0x1p24F));
  }
  const std::uint32_t exponent = ((bits >> 23) & 0xFF) - 127 + 15;
  return static_cast<std::uint16_t>((bits >> 16 & 0x8000) | (exponent << 10) | (bits >> 13 & 0x3FF));
}

/// What a type's largest elements are in units of its scale.
float largest_value(DataType type) {
  switch (type) {
    case DataType::kQ4_K:  // 15 times a scale of 63
      return 15 * 63;
    case DataType::kQ5_K:
      return 31 * 63;
    case DataType::kQ6_K:  // 32 times a scale of 127
      return 32 * 127;
    case DataType::kQ8_0:
      return 127;
    case DataType::kQ5_0:
    case DataType::kQ5_1:
      return 16;
    default:
      return 8;
  }
}

void append_random_bytes(std::string& out, std::int64_t count, std::mt19937_64& random) {
  for (std::int64_t i = 0; i < count; ++i) append(out, static_cast<std::uint8_t>(random()));
}

/// The magnitude is that of the largest elements; scales differ from block to block.
void append_random_block(std::string& out, DataType type, float magnitude, std::mt19937_64& random) {
  const std::size_t begin = out.size();
  const auto rest = [&] { return block_bytes(type) - static_cast<std::int64_t>(out.size() - begin); };
  const float variation = std::uniform_real_distribution(0.5F, 1.0F)(random);
  const float scale = magnitude * variation / largest_value(type);
  if (type == DataType::kMxfp4Ggml) {
    append(out, static_cast<std::uint8_t>(127 + std::ilogb(scale)));
    return append_random_bytes(out, rest(), random);
  }
  if (type == DataType::kQ6_K) {
    append_random_bytes(out, rest() - 2, random);
    return append(out, to_float16(scale));
  }
  append(out, to_float16(scale));
  // A K type's minimum is subtracted, after it was multiplied by up to 63.
  if (type == DataType::kQ4_K || type == DataType::kQ5_K) append(out, to_float16(magnitude / 63));
  if (type == DataType::kQ4_1) append(out, to_float16(scale * -7.5F));
  if (type == DataType::kQ5_1) append(out, to_float16(scale * -15.5F));
  append_random_bytes(out, rest(), random);
}

void append_random_element(std::string& out, DataType type, float magnitude, std::mt19937_64& random) {
  const float value = std::uniform_real_distribution(-magnitude, magnitude)(random);
  if (type == DataType::kF32) append(out, value);
  if (type == DataType::kF16) append(out, to_float16(value));
  if (type == DataType::kBF16) append(out, static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16));
}

std::string norm_tensor(std::int64_t elements, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out;
  for (std::int64_t i = 0; i < elements; ++i) append(out, std::uniform_real_distribution(0.8F, 1.2F)(random));
  return out;
}

}  // namespace

std::string random_tensor(DataType type, std::int64_t elements, float magnitude, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out;
  for (std::int64_t i = 0; i < elements; i += block_elements(type)) {
    if (is_quantized(type)) {
      append_random_block(out, type, magnitude, random);
    } else {
      append_random_element(out, type, magnitude, random);
    }
  }
  return out;
}

std::string tiny_llama_gguf(DataType type, bool tied) {
  using M = TinyModel;
  GgufWriter writer;
  writer.add_string("general.architecture", "llama");
  writer.add_uint32("llama.block_count", M::kLayers);
  writer.add_uint32("llama.context_length", 512);
  writer.add_uint32("llama.embedding_length", M::kHidden);
  writer.add_uint32("llama.feed_forward_length", M::kIntermediate);
  writer.add_uint32("llama.attention.head_count", M::kHeads);
  writer.add_uint32("llama.attention.head_count_kv", M::kKvHeads);
  writer.add_uint32("llama.rope.dimension_count", M::kHeadDim);
  writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5F);
  writer.add_float32("llama.rope.freq_base", 10000);
  writer.add_bool("tokenizer.ggml.add_bos_token", true);
  writer.add_strings("tokenizer.ggml.tokens", {"<s>", "a", "\xC4\xA0the"});
  writer.add_int32s("tokenizer.ggml.token_type", {3, 1, 1});
  writer.add_float32s("tokenizer.ggml.scores", {0, -1, -2.5F});

  std::uint64_t seed = 1;
  const auto matrix = [&](const std::string& name, std::int64_t rows, std::int64_t columns) {
    const float magnitude = 2.5F / std::sqrt(static_cast<float>(columns));
    writer.add_tensor(name, type, {rows, columns}, random_tensor(type, rows * columns, magnitude, seed++));
  };
  const auto norm = [&](const std::string& name) {
    writer.add_tensor(name, DataType::kF32, {M::kHidden}, norm_tensor(M::kHidden, seed++));
  };
  matrix("token_embd.weight", M::kVocab, M::kHidden);
  for (std::int64_t layer = 0; layer < M::kLayers; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    norm(prefix + "attn_norm.weight");
    matrix(prefix + "attn_q.weight", M::kHeads * M::kHeadDim, M::kHidden);
    matrix(prefix + "attn_k.weight", M::kKvHeads * M::kHeadDim, M::kHidden);
    matrix(prefix + "attn_v.weight", M::kKvHeads * M::kHeadDim, M::kHidden);
    matrix(prefix + "attn_output.weight", M::kHidden, M::kHeads * M::kHeadDim);
    norm(prefix + "ffn_norm.weight");
    matrix(prefix + "ffn_gate.weight", M::kIntermediate, M::kHidden);
    matrix(prefix + "ffn_up.weight", M::kIntermediate, M::kHidden);
    matrix(prefix + "ffn_down.weight", M::kHidden, M::kIntermediate);
  }
  norm("output_norm.weight");
  if (!tied) matrix("output.weight", M::kVocab, M::kHidden);
  return writer.file();
}

}  // namespace gpuinfer::model
