// A model from a Hugging Face folder.
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "runtime/model/hugging_face_config.hpp"
#include "runtime/model/loaders.hpp"
#include "runtime/model/safetensors.hpp"
#include "runtime/model/weights.hpp"

namespace gpuinfer::model {
namespace {

const TensorNames kNames = {.embedding = "model.embed_tokens.weight",
                            .norm = "model.norm.weight",
                            .lm_head = "lm_head.weight",
                            .layer_prefix = "model.layers.",
                            .input_norm = "input_layernorm.weight",
                            .q = "self_attn.q_proj.weight",
                            .k = "self_attn.k_proj.weight",
                            .v = "self_attn.v_proj.weight",
                            .o = "self_attn.o_proj.weight",
                            .post_attention_norm = "post_attention_layernorm.weight",
                            .gate = "mlp.gate_proj.weight",
                            .up = "mlp.up_proj.weight",
                            .down = "mlp.down_proj.weight"};

}  // namespace

Model load_hugging_face_model(const std::filesystem::path& path) {
  const std::filesystem::path config_path = path / "config.json";
  const Json json = Json::parse(read_file(config_path), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw Error(config_path.string() + ": not valid JSON", "Fetch the file again.");

  Model model;
  model.config = parse_hugging_face_config(json, config_path.string());
  Safetensors safetensors = open_safetensors(path);
  model.weights = take_weights(safetensors.tensors, kNames, model.config);
  const auto tie = json.find("tie_word_embeddings");
  const bool tied = tie != json.end() && tie->is_boolean() && tie->get<bool>();
  if (!tied && !safetensors.tensors.contains(kNames.lm_head)) {
    throw Error(path.string() + ": tensor '" + kNames.lm_head +
                    "' is missing, and config.json does not tie it to the embedding",
                "The files are incomplete. Fetch them again.");
  }
  model.files = std::move(safetensors.files);
  return model;
}

}  // namespace gpuinfer::model
