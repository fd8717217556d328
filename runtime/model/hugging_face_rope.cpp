// The types of RoPE by their names in transformers.
#include "runtime/model/hugging_face_rope.hpp"

#include "runtime/model/rope.hpp"

namespace gpuinfer::model {
namespace {

constexpr double kDefaultTheta = 10000;

Rope parse_yarn(const Settings& settings, std::vector<double> frequencies, double theta) {
  for (const char* key : {"mscale", "mscale_all_dim"}) {
    if (settings.has(key)) settings.refuse(std::string("'") + key + "' of YaRN is not supported");
  }
  const YarnRopeScaling scaling{
      .factor = settings.positive("factor"),
      .beta_fast = settings.positive("beta_fast", 32),
      .beta_slow = settings.positive("beta_slow", 1),
      .original_max_position_embeddings = settings.integer("original_max_position_embeddings"),
      .truncate = settings.boolean("truncate", true)};
  return {.inverse_frequencies = scale_yarn(std::move(frequencies), theta, scaling),
          .magnitude = settings.positive("attention_factor", yarn_magnitude(scaling.factor))};
}

std::vector<double> parse_llama3(const Settings& settings, std::vector<double> frequencies) {
  const Llama3RopeScaling scaling{
      .factor = settings.positive("factor"),
      .low_freq_factor = settings.positive("low_freq_factor"),
      .high_freq_factor = settings.positive("high_freq_factor"),
      .original_max_position_embeddings = settings.integer("original_max_position_embeddings")};
  return scale_llama3(std::move(frequencies), scaling);
}

}  // namespace

Rope parse_rope(const Settings& settings, double theta, std::int64_t head_dim) {
  theta = settings.positive("rope_theta", theta);
  std::vector<double> frequencies = rope_inverse_frequencies(theta, head_dim);
  const std::string type = settings.string("rope_type", settings.string("type", "default"));
  if (type == "default") return {.inverse_frequencies = std::move(frequencies)};
  if (type == "llama3") return {.inverse_frequencies = parse_llama3(settings, std::move(frequencies))};
  if (type == "yarn") return parse_yarn(settings, std::move(frequencies), theta);
  if (type != "linear") settings.refuse("RoPE type '" + type + "' is not supported");
  for (double& frequency : frequencies) frequency /= settings.positive("factor");
  return {.inverse_frequencies = std::move(frequencies)};
}

Rope parse_single_rope(const Settings& settings, std::int64_t head_dim) {
  const double theta = settings.positive("rope_theta", kDefaultTheta);
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (settings.has(key)) return parse_rope(settings.object(key), theta, head_dim);
  }
  return {.inverse_frequencies = rope_inverse_frequencies(theta, head_dim)};
}

}  // namespace gpuinfer::model
