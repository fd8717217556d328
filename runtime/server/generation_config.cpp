#include "runtime/server/generation_config.hpp"

#include <algorithm>
#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "runtime/server/request_fields.hpp"

namespace gpuinfer::server {

GenerationConfig read_generation_config(const model::ModelLocation& location) {
  GenerationConfig result;
  if (location.layout != model::Layout::kHuggingFace) return result;
  const std::filesystem::path file = location.path / "generation_config.json";
  if (!std::filesystem::exists(file)) return result;
  try {
    const Json config = parse_body(read_file(file));
    const RequestFields fields(config);
    engine::SamplingParams& defaults = result.sampling;
    defaults.temperature = static_cast<float>(fields.number("temperature", 0, 100).value_or(1));
    defaults.top_p = static_cast<float>(fields.number("top_p", 0, 1).value_or(1));
    defaults.min_p = static_cast<float>(fields.number("min_p", 0, 1).value_or(0));
    defaults.top_k = std::max<std::int64_t>(0, fields.integer("top_k", -1, 1 << 30).value_or(0));
    if (const Json* eos = fields.find("eos_token_id")) {
      result.stop_ids = parse_token_ids(eos->is_array() ? *eos : Json::array({*eos}), "eos_token_id");
    }
    return result;
  } catch (const Error& error) {
    throw Error(file.string() + ": " + error.what(), "Correct the file, or fetch it again.");
  }
}

}  // namespace gpuinfer::server
