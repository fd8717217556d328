// Reading config.json: what is there, what may be left out, what we cannot compute.
#include "runtime/model/hugging_face_config.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.hpp"
#include "runtime/model/rope.hpp"

namespace gpuinfer::model {
namespace {

constexpr std::array<std::string_view, 2> kArchitectures = {"LlamaForCausalLM", "MistralForCausalLM"};

/// Typed access to one JSON object; null counts as absent, as in transformers.
class Settings {
 public:
  Settings(const Json& json, std::string place) : json_(json), place_(std::move(place)) {
    if (!json_.is_object()) throw Error(place_ + ": not a JSON object");
  }

  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(place_ + ": " + what, "The model is of a kind that is not supported yet.");
  }

  const Json* find(const char* key) const {
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }

  std::int64_t integer(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) throw Error(place_ + ": '" + key + "' is missing");
    // A number beyond int64 is stored unsigned and would turn negative.
    if (!value->is_number_integer() || (value->is_number_unsigned() && value->get<std::uint64_t>() >> 63 != 0)) {
      throw Error(place_ + ": '" + key + "' is not an integer");
    }
    return value->get<std::int64_t>();
  }

  std::int64_t integer(const char* key, std::int64_t otherwise) const {
    return find(key) != nullptr ? integer(key) : otherwise;
  }

  double real(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) throw Error(place_ + ": '" + key + "' is missing");
    if (!value->is_number()) throw Error(place_ + ": '" + key + "' is not a number");
    return value->get<double>();
  }

  double real(const char* key, double otherwise) const { return find(key) != nullptr ? real(key) : otherwise; }

  bool boolean(const char* key, bool otherwise) const {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) throw Error(place_ + ": '" + key + "' is not true or false");
    return value->get<bool>();
  }

  std::string string(const char* key, const std::string& otherwise) const {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_string()) throw Error(place_ + ": '" + key + "' is not a string");
    return value->get<std::string>();
  }

  Settings object(const char* key) const { return {*find(key), place_ + ": " + key}; }

 private:
  const Json& json_;
  std::string place_;
};

void check_architecture(const Settings& settings) {
  const Json* architectures = settings.find("architectures");
  if (architectures == nullptr || !architectures->is_array() || architectures->empty()) {
    settings.refuse("names no architecture");
  }
  const Json& first = architectures->front();
  const std::string name = first.is_string() ? first.get<std::string>() : "(not a string)";
  if (std::ranges::find(kArchitectures, name) == kArchitectures.end()) {
    settings.refuse("architecture '" + name + "' is not supported");
  }
}

void check_supported(const Settings& settings) {
  check_architecture(settings);
  if (settings.boolean("attention_bias", false)) settings.refuse("attention_bias is not supported");
  if (settings.boolean("mlp_bias", false)) settings.refuse("mlp_bias is not supported");
  if (settings.find("quantization_config") != nullptr) settings.refuse("quantization_config is not supported");
  const std::string activation = settings.string("hidden_act", "silu");
  if (activation != "silu") settings.refuse("hidden_act '" + activation + "' is not supported");
  if (settings.real("partial_rotary_factor", 1) != 1) settings.refuse("partial_rotary_factor is not supported");
}

double positive(const Settings& rope, const char* key) {
  const double value = rope.real(key);
  if (!(value > 0) || !std::isfinite(value)) rope.refuse(std::string("'") + key + "' is not positive");
  return value;
}

std::vector<double> rope_frequencies(const Settings& settings, std::int64_t head_dim) {
  const char* key = settings.find("rope_parameters") != nullptr ? "rope_parameters" : "rope_scaling";
  double theta = settings.real("rope_theta", 10000);
  if (settings.find(key) == nullptr) return rope_inverse_frequencies(theta, head_dim);

  const Settings rope = settings.object(key);
  theta = rope.real("rope_theta", theta);
  if (!(theta > 0)) rope.refuse("rope_theta is not positive");
  std::vector<double> frequencies = rope_inverse_frequencies(theta, head_dim);
  const std::string type = rope.string("rope_type", rope.string("type", "default"));
  if (type == "default") return frequencies;
  if (type != "llama3") rope.refuse("RoPE type '" + type + "' is not supported");
  const Llama3RopeScaling scaling{.factor = positive(rope, "factor"),
                                  .low_freq_factor = positive(rope, "low_freq_factor"),
                                  .high_freq_factor = positive(rope, "high_freq_factor"),
                                  .original_max_position_embeddings = rope.integer("original_max_position_embeddings")};
  return scale_llama3(std::move(frequencies), scaling);
}

}  // namespace

ModelConfig parse_hugging_face_config(const Json& json, const std::string& file) {
  const Settings settings(json, file);
  check_supported(settings);

  ModelConfig config;
  config.vocab_size = settings.integer("vocab_size");
  config.hidden_size = settings.integer("hidden_size");
  config.intermediate_size = settings.integer("intermediate_size");
  config.num_hidden_layers = settings.integer("num_hidden_layers");
  config.num_attention_heads = settings.integer("num_attention_heads");
  config.num_key_value_heads = settings.integer("num_key_value_heads", config.num_attention_heads);
  config.head_dim =
      settings.integer("head_dim", config.hidden_size / std::max<std::int64_t>(config.num_attention_heads, 1));
  config.max_position_embeddings = settings.integer("max_position_embeddings");
  if (settings.find("sliding_window") != nullptr) config.sliding_window = settings.integer("sliding_window");
  config.rms_norm_eps = static_cast<float>(settings.real("rms_norm_eps", 1e-6));
  check_config(config, file);
  config.rope_inverse_frequencies = rope_frequencies(settings, config.head_dim);
  check_config(config, file);
  return config;
}

}  // namespace gpuinfer::model
