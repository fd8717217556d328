#include "runtime/server/generation_config.hpp"

#include <algorithm>
#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "runtime/server/request_fields.hpp"

namespace gpuinfer::server {

engine::SamplingParams read_sampling_defaults(const model::ModelLocation& location) {
  engine::SamplingParams defaults;
  if (location.layout != model::Layout::kHuggingFace) return defaults;
  const std::filesystem::path file = location.path / "generation_config.json";
  if (!std::filesystem::exists(file)) return defaults;
  try {
    const Json config = parse_body(read_file(file));
    const RequestFields fields(config);
    defaults.temperature = static_cast<float>(fields.number("temperature", 0, 100).value_or(1));
    defaults.top_p = static_cast<float>(fields.number("top_p", 0, 1).value_or(1));
    defaults.min_p = static_cast<float>(fields.number("min_p", 0, 1).value_or(0));
    defaults.top_k = std::max<std::int64_t>(0, fields.integer("top_k", -1, 1 << 30).value_or(0));
    return defaults;
  } catch (const Error& error) {
    throw Error(file.string() + ": " + error.what(), "Correct the file, or fetch it again.");
  }
}

}  // namespace gpuinfer::server
