// Random weights in every stored type.
#include "tiny_model.hpp"

#include <stdlib.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <random>
#include <stdexcept>

#include "gguf_writer.hpp"

namespace gpuinfer::model {
namespace {

template <typename T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// float16 of a number that is normal in it; the mantissa is cut.
std::uint16_t to_float16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t exponent = ((bits >> 23) & 0xFF) - 127 + 15;
  return static_cast<std::uint16_t>((bits >> 16 & 0x8000) | (exponent << 10) | (bits >> 13 & 0x3FF));
}

/// The magnitude is that of the largest elements; scales differ from block to block.
void append_random_block(std::string& out, DataType type, float magnitude, std::mt19937_64& random) {
  const float variation = std::uniform_real_distribution(0.5F, 1.0F)(random);
  const float scale = magnitude * variation / (type == DataType::kQ8_0 ? 127.0F : 8.0F);
  append(out, to_float16(scale));
  if (type == DataType::kQ4_1) append(out, to_float16(scale * -7.5F));
  const int bytes = type == DataType::kQ8_0 ? 32 : 16;
  for (int i = 0; i < bytes; ++i) append(out, static_cast<std::uint8_t>(random()));
}

void append_random_element(std::string& out, DataType type, float magnitude, std::mt19937_64& random) {
  float value = std::uniform_real_distribution(-magnitude, magnitude)(random);
  if (std::fabs(value) < 1e-3F) value = 1e-3F;  // stays normal in float16
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

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "gpuinfer-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path TemporaryFolder::write(const std::string& name, std::string_view contents) const {
  std::ofstream file(path_ / name, std::ios::binary | std::ios::trunc);
  file << contents;
  return path_ / name;
}

}  // namespace gpuinfer::model
