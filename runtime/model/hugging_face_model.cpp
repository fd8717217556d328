// A model from a Hugging Face folder.
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "runtime/model/experts.hpp"
#include "runtime/model/hugging_face_config.hpp"
#include "runtime/model/loaders.hpp"
#include "runtime/model/safetensors.hpp"
#include "runtime/model/weights.hpp"

namespace gpuinfer::model {
namespace {

TakeExperts experts_of(const HuggingFaceModel& description, TensorTable& tensors, Model& model) {
  switch (description.experts) {
    case HuggingFaceModel::Experts::kNone:
      break;
    case HuggingFaceModel::Experts::kSeparate:
      return separate_experts(tensors, description.names, description.config);
    case HuggingFaceModel::Experts::kGptOss:
      return gpt_oss_experts(tensors, description.config, model);
  }
  return dense_mlp(tensors, description.names, description.config);
}

/// `norm` with 1 added to each element, as float32 in a buffer of `model`.
void add_one(Tensor& norm, Model& model) {
  if (norm.empty()) return;
  fetch(model, norm.bytes);
  std::vector<float> values(static_cast<std::size_t>(norm.columns()));
  dequantize_row(norm, 0, values);
  for (float& value : values) value += 1;
  const auto bytes = std::as_bytes(std::span(values));
  model.buffers.push_back(std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end()));
  norm = {.type = DataType::kF32, .shape = norm.shape, .bytes = *model.buffers.back(), .name = norm.name};
}

void add_one_to_norms(Model& model) {
  add_one(model.weights.norm, model);
  for (LayerWeights& layer : model.weights.layers) {
    for (Tensor* norm : {&layer.input_norm, &layer.q_norm, &layer.k_norm, &layer.attention_output_norm, &layer.mlp_norm,
                         &layer.mlp_output_norm}) {
      add_one(*norm, model);
    }
  }
}

}  // namespace

Model load_hugging_face_model(const std::filesystem::path& path, Reading reading,
                              std::shared_ptr<LoadProgress> progress) {
  const std::filesystem::path config_path = path / "config.json";
  const Json json = Json::parse(read_file(config_path), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw Error(config_path.string() + ": not valid JSON", "Fetch the file again.");

  const HuggingFaceModel description = parse_hugging_face_config(json, config_path.string());
  Safetensors safetensors = open_safetensors(path, access_for(reading));
  Model model;
  model.files = safetensors.files;
  model.progress = std::move(progress);
  if (reading == Reading::kStreamed) {
    model.reader = std::make_shared<WeightReader>(model.files, model.progress);
  } else {
    for (const auto& file : model.files) file->fetch_all();
  }
  model.config = description.config;
  model.weights = take_weights(safetensors.tensors, description.names, description.config,
                               experts_of(description, safetensors.tensors, model));
  if (!description.is_tied && !safetensors.tensors.contains(description.names.lm_head)) {
    throw Error(path.string() + ": tensor '" + description.names.lm_head +
                    "' is missing, and config.json does not tie it to the embedding",
                "The files are incomplete. Fetch them again.");
  }
  if (description.norms_are_offsets) add_one_to_norms(model);
  return model;
}

}  // namespace gpuinfer::model
