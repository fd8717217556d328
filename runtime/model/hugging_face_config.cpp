// Reading config.json: what all families share, and one function for each family.
#include "runtime/model/hugging_face_config.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.hpp"
#include "runtime/model/hugging_face_rope.hpp"
#include "runtime/model/rope.hpp"
#include "runtime/model/settings.hpp"

namespace gpuinfer::model {
namespace {

// --- Pieces that several families use. ---

/// Llama's names, to which the others add.
TensorNames llama_names() {
  return {.embedding = "model.embed_tokens.weight",
          .norm = "model.norm.weight",
          .lm_head = "lm_head.weight",
          .layer_prefix = "model.layers.",
          .input_norm = "input_layernorm.weight",
          .q = {.weight = "self_attn.q_proj.weight"},
          .k = {.weight = "self_attn.k_proj.weight"},
          .v = {.weight = "self_attn.v_proj.weight"},
          .o = {.weight = "self_attn.o_proj.weight"},
          .mlp_norm = "post_attention_layernorm.weight",
          .mlp = {.gate = {.weight = "mlp.gate_proj.weight"},
                  .up = {.weight = "mlp.up_proj.weight"},
                  .down = {.weight = "mlp.down_proj.weight"}}};
}

void add_qkv_biases(TensorNames& names) {
  names.q.bias = "self_attn.q_proj.bias";
  names.k.bias = "self_attn.k_proj.bias";
  names.v.bias = "self_attn.v_proj.bias";
}

void add_attention_biases(TensorNames& names) {
  add_qkv_biases(names);
  names.o.bias = "self_attn.o_proj.bias";
}

void add_head_norms(TensorNames& names) {
  names.q_norm = "self_attn.q_norm.weight";
  names.k_norm = "self_attn.k_norm.weight";
}

void expect_activation(const Settings& settings, const char* key, const std::string& expected) {
  const std::string activation = settings.string(key, expected);
  if (activation != expected) settings.refuse(std::string(key) + " '" + activation + "' is not supported");
}

void set_sliding_window(ModelConfig& config, const Settings& settings, const std::vector<bool>& is_sliding) {
  for (std::size_t i = 0; i < config.layers.size(); ++i) {
    if (is_sliding[i]) config.layers[i].sliding_window = settings.integer("sliding_window");
  }
}

/// Which layers are sliding by `layer_types`; without it, those that `by_default` says.
template <typename ByDefault>
std::vector<bool> sliding_layers(const ModelConfig& config, const Settings& settings, ByDefault by_default) {
  std::vector<bool> is_sliding(config.layers.size());
  const Json* types = settings.find("layer_types");
  if (types == nullptr) {
    for (std::size_t i = 0; i < is_sliding.size(); ++i) is_sliding[i] = by_default(static_cast<std::int64_t>(i));
    return is_sliding;
  }
  if (!types->is_array() || types->size() != is_sliding.size()) {
    throw Error(settings.place() + ": 'layer_types' does not name a type for each layer");
  }
  for (std::size_t i = 0; i < is_sliding.size(); ++i) {
    const Json& type = (*types)[i];
    is_sliding[i] = type == "sliding_attention";
    if (!is_sliding[i] && type != "full_attention") settings.refuse("layer type " + type.dump() + " is not supported");
  }
  return is_sliding;
}

void set_single_rope(ModelConfig& config, const Settings& settings) {
  config.ropes = {parse_single_rope(settings, config.head_dim)};
}

// --- The families. Each completes what read_common() has begun. ---

void read_llama(const Settings& settings, HuggingFaceModel& model) {
  expect_activation(settings, "hidden_act", "silu");
  set_single_rope(model.config, settings);
  if (settings.boolean("attention_bias", false)) add_attention_biases(model.names);
  if (settings.boolean("mlp_bias", false)) {
    model.names.mlp.gate.bias = "mlp.gate_proj.bias";
    model.names.mlp.up.bias = "mlp.up_proj.bias";
    model.names.mlp.down.bias = "mlp.down_proj.bias";
  }
}

void read_mistral(const Settings& settings, HuggingFaceModel& model) {
  read_llama(settings, model);
  const bool has_window = settings.has("sliding_window");
  set_sliding_window(model.config, settings,
                     sliding_layers(model.config, settings, [&](std::int64_t) { return has_window; }));
}

void read_qwen(const Settings& settings, HuggingFaceModel& model) {
  expect_activation(settings, "hidden_act", "silu");
  set_single_rope(model.config, settings);
  if (!settings.boolean("use_sliding_window", false)) return;
  const std::int64_t first = settings.integer("max_window_layers", 0);
  set_sliding_window(model.config, settings,
                     sliding_layers(model.config, settings, [&](std::int64_t layer) { return layer >= first; }));
}

void read_qwen2(const Settings& settings, HuggingFaceModel& model) {
  read_qwen(settings, model);
  add_qkv_biases(model.names);
}

void read_qwen3(const Settings& settings, HuggingFaceModel& model) {
  read_qwen(settings, model);
  add_head_norms(model.names);
  if (settings.boolean("attention_bias", false)) add_attention_biases(model.names);
}

void read_qwen3_moe(const Settings& settings, HuggingFaceModel& model) {
  read_qwen3(settings, model);
  const Json* dense_layers = settings.find("mlp_only_layers");
  if (settings.integer("decoder_sparse_step", 1) != 1 || (dense_layers != nullptr && !dense_layers->empty())) {
    settings.refuse("a mixture of experts in only some of the layers is not supported");
  }
  ModelConfig& config = model.config;
  config.intermediate_size = settings.integer("moe_intermediate_size");
  config.num_experts = settings.integer(settings.has("num_experts") ? "num_experts" : "num_local_experts");
  config.num_experts_per_tok = settings.integer("num_experts_per_tok");
  config.softmax_over_picked = settings.boolean("norm_topk_prob", false);
  model.experts = HuggingFaceModel::Experts::kSeparate;
  model.names.router.weight = "mlp.gate.weight";
  model.names.mlp = {.gate = {.weight = "gate_proj.weight"},
                     .up = {.weight = "up_proj.weight"},
                     .down = {.weight = "down_proj.weight"}};
}

/// Full layers and sliding ones rotate with different frequencies: those of ropes[0] and ropes[1].
void set_gemma3_ropes(ModelConfig& config, const Settings& settings) {
  constexpr double kTheta = 1e6;
  constexpr double kLocalTheta = 1e4;
  const Json* parameters = settings.find("rope_parameters");
  if (parameters != nullptr && parameters->contains("full_attention")) {
    const Settings both = settings.object("rope_parameters");
    if (!both.has("sliding_attention")) both.refuse("'sliding_attention' is missing");
    config.ropes = {parse_rope(both.object("full_attention"), kTheta, config.head_dim),
                    parse_rope(both.object("sliding_attention"), kLocalTheta, config.head_dim)};
    return;
  }
  const double theta = settings.positive("rope_theta", kTheta);
  const double local_theta = settings.positive("rope_local_base_freq", kLocalTheta);
  config.ropes = {settings.has("rope_scaling") ? parse_rope(settings.object("rope_scaling"), theta, config.head_dim)
                                               : Rope{rope_inverse_frequencies(theta, config.head_dim)},
                  Rope{rope_inverse_frequencies(local_theta, config.head_dim)}};
}

void read_gemma3(const Settings& settings, HuggingFaceModel& model) {
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    if (settings.has(key)) settings.refuse(std::string(key) + " is not supported");
  }
  if (settings.boolean("use_bidirectional_attention", false)) {
    settings.refuse("use_bidirectional_attention is not supported");
  }
  expect_activation(settings, "hidden_activation", "gelu_pytorch_tanh");
  ModelConfig& config = model.config;
  config.activation = Activation::kGeluTanh;
  config.embedding_scale = std::sqrt(static_cast<float>(config.hidden_size));
  config.attention_scale = static_cast<float>(1 / std::sqrt(settings.positive("query_pre_attn_scalar", 256)));
  const std::int64_t pattern = std::max<std::int64_t>(1, settings.integer("sliding_window_pattern", 6));
  const auto is_sliding =
      sliding_layers(config, settings, [&](std::int64_t layer) { return (layer + 1) % pattern != 0; });
  set_sliding_window(config, settings, is_sliding);
  for (LayerConfig& layer : config.layers) layer.rope = layer.sliding_window ? 1 : 0;
  set_gemma3_ropes(config, settings);

  model.norms_are_offsets = true;
  add_head_norms(model.names);
  model.names.attention_output_norm = "post_attention_layernorm.weight";
  model.names.mlp_norm = "pre_feedforward_layernorm.weight";
  model.names.mlp_output_norm = "post_feedforward_layernorm.weight";
}

void read_gpt_oss(const Settings& settings, HuggingFaceModel& model) {
  ModelConfig& config = model.config;
  set_single_rope(config, settings);
  set_sliding_window(config, settings,
                     sliding_layers(config, settings, [](std::int64_t layer) { return layer % 2 == 0; }));
  // hidden_act says "silu", which is not what the model computes.
  config.activation = Activation::kClampedSwiglu;
  config.swiglu_limit = static_cast<float>(settings.positive("swiglu_limit", 7));
  if (settings.real("swiglu_alpha", 1.702) != 1.702)
    settings.refuse("another swiglu_alpha than 1.702 is not supported");
  config.num_experts = settings.integer("num_local_experts");
  config.num_experts_per_tok = settings.integer("num_experts_per_tok");
  model.experts = HuggingFaceModel::Experts::kGptOss;
  if (settings.boolean("attention_bias", true)) add_attention_biases(model.names);
  model.names.sinks = "self_attn.sinks";
  model.names.router = {.weight = "mlp.router.weight", .bias = "mlp.router.bias"};
}

struct Family {
  void (*read)(const Settings&, HuggingFaceModel&);
  bool is_tied_by_default;
};

const std::map<std::string, Family, std::less<>>& families() {
  static const std::map<std::string, Family, std::less<>> families = {
      {"LlamaForCausalLM", {read_llama, false}},        {"MistralForCausalLM", {read_mistral, false}},
      {"Qwen2ForCausalLM", {read_qwen2, false}},        {"Qwen3ForCausalLM", {read_qwen3, false}},
      {"Qwen3MoeForCausalLM", {read_qwen3_moe, false}}, {"Gemma3ForCausalLM", {read_gemma3, true}},
      {"GptOssForCausalLM", {read_gpt_oss, false}}};
  return families;
}

const Family& family_of(const Settings& settings) {
  const Json* architectures = settings.find("architectures");
  if (architectures == nullptr || !architectures->is_array() || architectures->empty()) {
    settings.refuse("names no architecture");
  }
  const Json& first = architectures->front();
  const std::string name = first.is_string() ? first.get<std::string>() : "(not a string)";
  const auto family = families().find(name);
  if (family == families().end()) settings.refuse("architecture '" + name + "' is not supported");
  return family->second;
}

void check_quantization(const Settings& settings) {
  if (!settings.has("quantization_config")) return;
  const std::string method = settings.object("quantization_config").string("quant_method", "(none)");
  if (method != "mxfp4") settings.refuse("quantization_config '" + method + "' is not supported");
}

/// The settings that every family has.
ModelConfig read_common(const Settings& settings) {
  ModelConfig config;
  config.vocab_size = settings.integer("vocab_size");
  config.hidden_size = settings.integer("hidden_size");
  config.intermediate_size = settings.integer("intermediate_size");
  config.layers = make_layers(settings.integer("num_hidden_layers"), settings.place());
  config.num_attention_heads = settings.integer("num_attention_heads");
  config.num_key_value_heads = settings.integer("num_key_value_heads", config.num_attention_heads);
  config.head_dim =
      settings.integer("head_dim", config.hidden_size / std::max<std::int64_t>(config.num_attention_heads, 1));
  config.max_position_embeddings = settings.integer("max_position_embeddings");
  config.rms_norm_eps = static_cast<float>(settings.real("rms_norm_eps", 1e-6));
  check_config(config, settings.place());
  config.attention_scale = static_cast<float>(1 / std::sqrt(static_cast<double>(config.head_dim)));
  if (settings.real("partial_rotary_factor", 1) != 1) settings.refuse("partial_rotary_factor is not supported");
  return config;
}

}  // namespace

HuggingFaceModel parse_hugging_face_config(const Json& json, const std::string& file) {
  const Settings settings(json, file);
  const Family& family = family_of(settings);
  check_quantization(settings);
  HuggingFaceModel model{.config = read_common(settings), .names = llama_names()};
  model.is_tied = settings.boolean("tie_word_embeddings", family.is_tied_by_default);
  family.read(settings, model);
  check_config(model.config, file);
  return model;
}

}  // namespace gpuinfer::model
