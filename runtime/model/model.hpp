// A model ready to be computed: its settings and its weights, from a GGUF file or a Hugging Face folder.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/model/load_progress.hpp"
#include "runtime/model/mapped_file.hpp"
#include "runtime/model/model_config.hpp"
#include "runtime/model/tensor.hpp"
#include "runtime/model/weight_reader.hpp"

namespace gpuinfer::model {

/// y = x · weightᵀ + bias.
struct Linear {
  Tensor weight{};  ///< [out, in]
  Tensor bias{};    ///< [out], or empty
};

/// down(activation(gate(x), up(x))).
struct Mlp {
  Linear gate, up;  ///< [intermediate, hidden]
  Linear down;      ///< [hidden, intermediate]
};

/// Rows of q and k are in Hugging Face's order (RoPE rotates element i with i + head_dim/2), whatever the file's order
/// was, and the weights of norms are what the normalised values are multiplied by. What the model does not have is
/// empty.
struct LayerWeights {
  Tensor input_norm;             ///< [hidden]
  Linear q, k, v;                ///< [heads·head_dim, hidden], [kv_heads·head_dim, hidden] twice
  Tensor q_norm, k_norm;         ///< [head_dim]: every head is normalised before it is rotated
  Tensor sinks;                  ///< [heads]: a score that takes part in the softmax and has no value
  Linear o;                      ///< [hidden, heads·head_dim]
  Tensor attention_output_norm;  ///< [hidden]: of what attention adds to the residual stream
  Tensor mlp_norm;               ///< [hidden]
  Linear router;                 ///< [experts, hidden]
  std::vector<Mlp> experts;      ///< a single one where there is no router
  Tensor mlp_output_norm;        ///< [hidden]: of what the MLP adds to the residual stream
};

struct Weights {
  Tensor embedding;  ///< [vocab, hidden]
  std::vector<LayerWeights> layers;
  Tensor norm;     ///< [hidden]
  Tensor lm_head;  ///< [vocab, hidden]; the embedding itself where the two are tied
};

/// Calls `visit` with every tensor that is not empty; with a tied lm_head too.
void for_each_tensor(Weights& weights, const std::function<void(Tensor&)>& visit);
void for_each_tensor(const Weights& weights, const std::function<void(const Tensor&)>& visit);

struct Model {
  ModelConfig config;
  Weights weights;
  /// What the weights point into: the files, and copies of what had to be rearranged.
  std::vector<std::shared_ptr<MappedFile>> files;
  std::vector<std::shared_ptr<const std::vector<std::byte>>> buffers;
  /// Where they are streamed: reads the files already.
  std::shared_ptr<WeightReader> reader;
  std::shared_ptr<LoadProgress> progress = std::make_shared<LoadProgress>();
};

/// Makes bytes of a file that is streamed available at their place, before the reader comes to them; nothing happens to
/// others. For the little that has to be rearranged before the weights are brought to where they are computed with.
void fetch(const Model& model, std::span<const std::byte> bytes);

/// How a model lies on disk.
enum class Layout { kGguf, kHuggingFace };

struct ModelLocation {
  Layout layout = Layout::kGguf;
  /// The .gguf file, or the folder with config.json.
  std::filesystem::path path;
};

/// `path` is a .gguf file, a folder with exactly one .gguf file, or a folder with config.json and safetensors. Throws
/// Error that says what was looked for and what is there.
ModelLocation find_model(const std::filesystem::path& path);

enum class Reading {
  kWhole,     ///< all weights can be used when the model is loaded
  kStreamed,  ///< they come by way of Model::reader, for a backend that puts them somewhere else
};

/// Reads settings and maps weights; every size and offset is checked against the file before it is used, and a model
/// that cannot be computed is refused, with the reason, before any weight is read. Throws Error naming the file and the
/// tensor.
Model load_model(const ModelLocation& location, Reading reading = Reading::kWhole,
                 std::shared_ptr<LoadProgress> progress = std::make_shared<LoadProgress>());

}  // namespace gpuinfer::model
