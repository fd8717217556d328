// The types of RoPE by their names in llama.cpp.
#include "runtime/model/gguf_rope.hpp"

#include "runtime/model/rope.hpp"

namespace gpuinfer::model {
namespace {

Rope parse_yarn(const GgufSettings& settings, std::vector<double> frequencies, double theta, bool truncates) {
  for (const char* key : {"rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_ext_factor",
                          "rope.scaling.yarn_log_multiplier"}) {
    if (settings.real(key)) settings.refuse("'" + settings.full(key) + "' is not supported");
  }
  const YarnRopeScaling scaling{
      .factor = settings.positive("rope.scaling.factor", 1),
      .beta_fast = settings.positive("rope.scaling.yarn_beta_fast", 32),
      .beta_slow = settings.positive("rope.scaling.yarn_beta_slow", 1),
      .original_max_position_embeddings = settings.required_integer("rope.scaling.original_context_length"),
      .truncate = truncates};
  return {.inverse_frequencies = scale_yarn(std::move(frequencies), theta, scaling),
          .magnitude = yarn_magnitude(scaling.factor)};
}

}  // namespace

Rope parse_gguf_rope(const GgufSettings& settings, std::int64_t head_dim, const GgufRopeDefaults& defaults) {
  const double theta = settings.positive("rope.freq_base", defaults.theta);
  Rope rope = make_rope(theta, head_dim);
  const std::string type(settings.string("rope.scaling.type").value_or("linear"));
  if (type == "none") return rope;
  if (type == "yarn") return parse_yarn(settings, std::move(rope.inverse_frequencies), theta, defaults.truncates_yarn);
  if (type != "linear") settings.refuse("RoPE scaling '" + type + "' is not supported");
  // The second key is that of older files.
  const double factor = settings.positive("rope.scaling.factor", settings.positive("rope.scale_linear", 1));
  for (double& frequency : rope.inverse_frequencies) frequency /= factor;
  return rope;
}

Rope make_rope(double theta, std::int64_t head_dim) {
  return {.inverse_frequencies = rope_inverse_frequencies(theta, head_dim)};
}

}  // namespace gpuinfer::model
