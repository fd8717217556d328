// From a loaded model back to the tensors of a GGUF file.
#include "fixture_gguf.hpp"

#include <bit>
#include <cstdint>
#include <map>
#include <stdexcept>

#include "base/file.hpp"
#include "base/json.hpp"
#include "gguf_writer.hpp"
#include "runtime/model/model.hpp"

namespace gpuinfer::model {
namespace {

/// What becomes one tensor: parts one after the other (experts), heads in llama.cpp's order of rows where that is
/// given.
struct Source {
  std::vector<const Tensor*> parts;
  std::int64_t interleaved_head_dim = 0;
};

using Sources = std::map<std::string, Source>;

void add(Sources& sources, const std::string& name, const Tensor& tensor, std::int64_t interleaved_head_dim = 0) {
  if (tensor.empty()) return;
  Source& source = sources[name];
  source.parts.push_back(&tensor);
  source.interleaved_head_dim = interleaved_head_dim;
}

void add(Sources& sources, const std::string& name, const Linear& linear, std::int64_t interleaved_head_dim = 0) {
  add(sources, name + ".weight", linear.weight, interleaved_head_dim);
  add(sources, name + ".bias", linear.bias, interleaved_head_dim);
}

void add_layer(Sources& sources, const std::string& prefix, const LayerWeights& layer, const std::string& architecture,
               std::int64_t head_dim) {
  const std::int64_t interleaved = architecture == "llama" ? head_dim : 0;
  add(sources, prefix + "attn_norm.weight", layer.input_norm);
  add(sources, prefix + "attn_q", layer.q, interleaved);
  add(sources, prefix + "attn_k", layer.k, interleaved);
  add(sources, prefix + "attn_v", layer.v);
  add(sources, prefix + "attn_output", layer.o);
  add(sources, prefix + "attn_q_norm.weight", layer.q_norm);
  add(sources, prefix + "attn_k_norm.weight", layer.k_norm);
  add(sources, prefix + "attn_sinks.weight", layer.sinks);
  add(sources, prefix + "post_attention_norm.weight", layer.attention_output_norm);
  add(sources, prefix + (architecture == "gpt-oss" ? "post_attention_norm.weight" : "ffn_norm.weight"), layer.mlp_norm);
  add(sources, prefix + "post_ffw_norm.weight", layer.mlp_output_norm);
  add(sources, prefix + "ffn_gate_inp", layer.router);
  const std::string suffix = layer.router.weight.empty() ? "" : "_exps";
  for (const Mlp& expert : layer.experts) {
    add(sources, prefix + "ffn_gate" + suffix, expert.gate);
    add(sources, prefix + "ffn_up" + suffix, expert.up);
    add(sources, prefix + "ffn_down" + suffix, expert.down);
  }
}

Sources sources_of(const Model& model, const std::string& architecture) {
  Sources sources;
  add(sources, "token_embd.weight", model.weights.embedding);
  add(sources, "output_norm.weight", model.weights.norm);
  add(sources, "output.weight", model.weights.lm_head);
  for (std::size_t i = 0; i < model.weights.layers.size(); ++i) {
    const std::string prefix = "blk." + std::to_string(i) + ".";
    add_layer(sources, prefix, model.weights.layers[i], architecture, model.config.head_dim);
  }
  return sources;
}

template <typename T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// 16 bytes of gpt-oss's blocks with even elements in low nibbles become a scale and 16 bytes with the first half
/// there.
void append_mxfp4_row(std::string& out, const Tensor& tensor, std::int64_t row) {
  const std::byte* block = tensor.row(row).data();
  for (const std::byte scale : tensor.row_scales(row)) {
    append(out, scale);
    const auto code = [&](std::size_t element) {
      return element % 2 == 0 ? block[element / 2] & std::byte{15} : block[element / 2] >> 4;
    };
    for (std::size_t i = 0; i < 16; ++i) append(out, code(i) | code(i + 16) << 4);
    block += block_bytes(DataType::kMxfp4);
  }
}

void append_row(std::string& out, const Tensor& tensor, std::int64_t row, const std::string& type) {
  if (type == "MXFP4") return append_mxfp4_row(out, tensor, row);
  std::vector<float> values(static_cast<std::size_t>(tensor.columns()));
  dequantize_row(tensor, row, values);
  for (const float value : values) {
    if (type == "F32") append(out, value);
    // The fixtures' weights are BF16, so this cuts off zeros.
    if (type == "BF16") append(out, static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16));
  }
}

/// Row 2i + j of a head is row j·head_dim/2 + i of the model (LlamaModel.permute in conversion/llama.py).
std::int64_t interleaved(std::int64_t row, std::int64_t head_dim) {
  const std::int64_t in_head = row % head_dim;
  return row - in_head + in_head % 2 * head_dim / 2 + in_head / 2;
}

std::string bytes_of(const Source& source, const std::string& type) {
  std::string bytes;
  for (const Tensor* tensor : source.parts) {
    for (std::int64_t row = 0; row < tensor->rows(); ++row) {
      const std::int64_t head_dim = source.interleaved_head_dim;
      append_row(bytes, *tensor, head_dim == 0 ? row : interleaved(row, head_dim), type);
    }
  }
  return bytes;
}

std::string rope_factors(const Json& description) {
  std::string bytes;
  for (const Json& value : description.at("values")) append(bytes, value.get<float>());
  return bytes;
}

/// 64-bit FNV-1a.
std::string digest(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[hash >> shift & 15];
  return text;
}

void add_metadata(GgufWriter& writer, const std::string& key, const Json& value) {
  if (value.is_boolean()) {
    writer.add_bool(key, value.get<bool>());
  } else if (value.is_number_integer()) {
    writer.add_uint32(key, value.get<std::uint32_t>());
  } else if (value.is_number()) {
    writer.add_float32(key, value.get<float>());
  } else {
    writer.add_string(key, value.get<std::string>());
  }
}

}  // namespace

std::string fixture_as_gguf(const std::string& name) {
  const std::filesystem::path folder = std::filesystem::path("runtime/fixtures") / name;
  const Json recorded = Json::parse(read_file(folder / "gguf.json"));
  const Model model = load_model(find_model(folder));
  const Sources sources = sources_of(model, recorded.at("metadata").at("general.architecture").get<std::string>());

  static const std::map<std::string, DataType> kTypes = {
      {"F32", DataType::kF32}, {"BF16", DataType::kBF16}, {"MXFP4", DataType::kMxfp4Ggml}};
  GgufWriter writer;
  for (const auto& [key, value] : recorded.at("metadata").items()) add_metadata(writer, key, value);
  for (const Json& tensor : recorded.at("tensors")) {
    const auto tensor_name = tensor.at("name").get<std::string>();
    const auto type = tensor.at("type").get<std::string>();
    const std::string bytes =
        tensor.contains("values") ? rope_factors(tensor) : bytes_of(sources.at(tensor_name), type);
    if (digest(bytes) != tensor.at("fnv1a")) {
      throw std::runtime_error(name + ": '" + tensor_name + "' is not what llama.cpp's converter writes");
    }
    writer.add_tensor(tensor_name, kTypes.at(type), tensor.at("shape"), bytes);
  }
  return writer.file();
}

}  // namespace gpuinfer::model
