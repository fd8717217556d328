// Reading GGUF metadata: what all architectures share, and one function for each.
#include "runtime/model/gguf_config.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.hpp"
#include "runtime/model/gguf_rope.hpp"
#include "runtime/model/gguf_settings.hpp"

namespace gpuinfer::model {
namespace {

// --- Pieces that several architectures use. ---

TensorNames llama_names() {
  return {.embedding = "token_embd.weight",
          .norm = "output_norm.weight",
          .lm_head = "output.weight",
          .layer_prefix = "blk.",
          .input_norm = "attn_norm.weight",
          .q = {.weight = "attn_q.weight"},
          .k = {.weight = "attn_k.weight"},
          .v = {.weight = "attn_v.weight"},
          .o = {.weight = "attn_output.weight"},
          .mlp_norm = "ffn_norm.weight",
          .mlp = {.gate = {.weight = "ffn_gate.weight"},
                  .up = {.weight = "ffn_up.weight"},
                  .down = {.weight = "ffn_down.weight"}}};
}

bool has_tensor(const GgufFile& file, std::string_view name) {
  return std::ranges::find(file.tensors(), name, &GgufTensor::name) != file.tensors().end();
}

/// No key says whether a linear layer has a bias; its tensor is there or is not.
void add_bias(const GgufFile& file, LinearNames& linear) {
  const std::string name = linear.weight.substr(0, linear.weight.rfind('.')) + ".bias";
  if (has_tensor(file, "blk.0." + name)) linear.bias = name;
}

void add_attention_biases(const GgufFile& file, TensorNames& names) {
  for (LinearNames* linear : {&names.q, &names.k, &names.v, &names.o}) add_bias(file, *linear);
}

void add_head_norms(TensorNames& names) {
  names.q_norm = "attn_q_norm.weight";
  names.k_norm = "attn_k_norm.weight";
}

/// Every `period`th layer is full and the others have a window, unless the file says which.
void set_sliding_windows(const GgufSettings& settings, std::int64_t period, ModelConfig& config) {
  const auto window = settings.integer("attention.sliding_window");
  if (window.value_or(0) == 0) return;
  const std::vector<bool> is_sliding = settings.sliding_layers(config.layers.size(), period);
  for (std::size_t i = 0; i < config.layers.size(); ++i) {
    if (is_sliding[i]) config.layers[i].sliding_window = window;
  }
}

void set_experts(const GgufSettings& settings, GgufModel& model) {
  ModelConfig& config = model.config;
  config.num_experts = settings.required_integer("expert_count");
  config.num_experts_per_tok = settings.required_integer("expert_used_count");
  config.intermediate_size = settings.integer("expert_feed_forward_length").value_or(config.intermediate_size);
  model.names.router.weight = "ffn_gate_inp.weight";
  model.names.mlp = {.gate = {.weight = "ffn_gate_exps.weight"},
                     .up = {.weight = "ffn_up_exps.weight"},
                     .down = {.weight = "ffn_down_exps.weight"}};
}

// --- The architectures. Each completes what read_common() has begun. ---

void read_llama(const GgufFile& file, const GgufSettings& settings, GgufModel& model) {
  if (settings.integer("expert_count").value_or(0) != 0) settings.refuse("mixtures of experts are not supported");
  constexpr std::int64_t kNoFullLayer = 0;
  set_sliding_windows(settings, kNoFullLayer, model.config);
  model.config.ropes = {parse_gguf_rope(settings, model.config.head_dim)};
  model.has_interleaved_heads = true;
  add_attention_biases(file, model.names);
}

void read_qwen(const GgufFile& file, const GgufSettings& settings, GgufModel& model) {
  model.config.ropes = {parse_gguf_rope(settings, model.config.head_dim)};
  add_attention_biases(file, model.names);
}

void read_qwen3(const GgufFile& file, const GgufSettings& settings, GgufModel& model) {
  read_qwen(file, settings, model);
  add_head_norms(model.names);
}

void read_qwen3_moe(const GgufFile& file, const GgufSettings& settings, GgufModel& model) {
  read_qwen3(file, settings, model);
  set_experts(settings, model);
}

void read_gemma3(const GgufFile&, const GgufSettings& settings, GgufModel& model) {
  constexpr std::int64_t kPeriod = 6;
  constexpr double kTheta = 1e6;
  constexpr double kLocalTheta = 1e4;
  ModelConfig& config = model.config;
  config.activation = Activation::kGeluTanh;
  config.embedding_scale = std::sqrt(static_cast<float>(config.hidden_size));
  // query_pre_attn_scalar is the size of a head, but for the 27B model (62 layers), where it is hidden / heads.
  constexpr std::int64_t kLayersOf27B = 62;
  if (config.num_hidden_layers() == kLayersOf27B && !settings.real("attention.scale")) {
    const auto scalar = static_cast<double>(config.hidden_size) /
                        static_cast<double>(std::max<std::int64_t>(config.num_attention_heads, 1));
    config.attention_scale = static_cast<float>(1 / std::sqrt(scalar));
  }
  set_sliding_windows(settings, kPeriod, config);
  for (LayerConfig& layer : config.layers) layer.rope = layer.sliding_window ? 1 : 0;
  config.ropes = {parse_gguf_rope(settings, config.head_dim, {.theta = kTheta}),
                  make_rope(settings.positive("rope.freq_base_swa", kLocalTheta), config.head_dim)};

  add_head_norms(model.names);
  model.names.attention_output_norm = "post_attention_norm.weight";
  model.names.mlp_output_norm = "post_ffw_norm.weight";
}

void read_gpt_oss(const GgufFile& file, const GgufSettings& settings, GgufModel& model) {
  constexpr std::int64_t kPeriod = 2;
  ModelConfig& config = model.config;
  set_experts(settings, model);
  set_sliding_windows(settings, kPeriod, config);
  config.ropes = {parse_gguf_rope(settings, config.head_dim, {.truncates_yarn = false})};
  config.activation = Activation::kClampedSwiglu;
  config.swiglu_limit = 7;

  TensorNames& names = model.names;
  add_attention_biases(file, names);
  for (LinearNames* linear : {&names.router, &names.mlp.gate, &names.mlp.up, &names.mlp.down}) add_bias(file, *linear);
  names.sinks = "attn_sinks.weight";
  names.mlp_norm = "post_attention_norm.weight";
}

using Read = void (*)(const GgufFile&, const GgufSettings&, GgufModel&);

Read architecture(const GgufFile& file) {
  static const std::map<std::string_view, Read> architectures = {{"llama", read_llama},   {"qwen2", read_qwen},
                                                                 {"qwen3", read_qwen3},   {"qwen3moe", read_qwen3_moe},
                                                                 {"gemma3", read_gemma3}, {"gpt-oss", read_gpt_oss}};
  const std::string_view name = file.string("general.architecture").value_or("(none)");
  const auto found = architectures.find(name);
  if (found == architectures.end()) {
    throw Error(file.path().string() + ": architecture '" + std::string(name) + "' is not supported",
                "Supported are llama, qwen2, qwen3, qwen3moe, gemma3 and gpt-oss.");
  }
  return found->second;
}

/// Keys that change what is computed, with the value that means what we compute.
void check_neutral(const GgufSettings& settings, std::int64_t head_dim) {
  const std::pair<const char*, double> neutral[] = {{"attention.value_length", static_cast<double>(head_dim)},
                                                    {"rope.dimension_count", static_cast<double>(head_dim)},
                                                    {"attn_logit_softcapping", 0},
                                                    {"final_logit_softcapping", 0},
                                                    {"router_logit_softcapping", 0},
                                                    {"attention.clamp_kqv", 0},
                                                    {"attention.max_alibi_bias", 0},
                                                    {"logit_scale", 1},
                                                    {"residual_scale", 1},
                                                    {"embedding_scale", 1},
                                                    {"expert_shared_count", 0},
                                                    {"expert_weights_scale", 1},
                                                    {"leading_dense_block_count", 0},
                                                    {"pooling_type", 0}};
  for (const auto& [key, value] : neutral) {
    if (settings.real(key).value_or(value) != value) {
      settings.refuse("'" + settings.full(key) + "' is not " + std::to_string(value) + ", which is not supported");
    }
  }
  if (!settings.boolean("attention.causal").value_or(true))
    settings.refuse("attention in both directions is not supported");
}

/// The settings that every architecture has.
ModelConfig read_common(const GgufFile& file, const GgufSettings& settings, const TensorNames& names) {
  ModelConfig config;
  config.hidden_size = settings.required_integer("embedding_length");
  config.layers = make_layers(settings.required_integer("block_count"), settings.place());
  config.num_attention_heads = settings.required_integer("attention.head_count");
  config.num_key_value_heads = settings.integer("attention.head_count_kv").value_or(config.num_attention_heads);
  config.max_position_embeddings = settings.required_integer("context_length");
  config.head_dim = settings.integer("attention.key_length")
                        .value_or(config.hidden_size / std::max<std::int64_t>(config.num_attention_heads, 1));
  config.rms_norm_eps = static_cast<float>(settings.real("attention.layer_norm_rms_epsilon").value_or(1e-5));
  // Of a dense MLP; a model of experts alone may lack it.
  config.intermediate_size =
      settings.integer("feed_forward_length").value_or(settings.integer("expert_feed_forward_length").value_or(0));
  // Older files lack a key for it; the embedding has one row for each token.
  const auto embedding = std::ranges::find(file.tensors(), names.embedding, &GgufTensor::name);
  config.vocab_size = embedding != file.tensors().end() ? embedding->tensor.rows() : 0;
  check_config(config, settings.place());
  config.attention_scale =
      static_cast<float>(settings.positive("attention.scale", 1 / std::sqrt(static_cast<double>(config.head_dim))));
  return config;
}

}  // namespace

GgufModel parse_gguf_config(const GgufFile& file) {
  const Read read = architecture(file);
  const GgufSettings settings(file);
  GgufModel model;
  model.names = llama_names();
  model.config = read_common(file, settings, model.names);
  check_neutral(settings, model.config.head_dim);
  read(file, settings, model);
  check_config(model.config, settings.place());
  return model;
}

}  // namespace gpuinfer::model
