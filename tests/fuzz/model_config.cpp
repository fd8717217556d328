// Fuzz target: any text as a config.json. What is accepted has settings that a backend can be built from.
#include "base/json.hpp"
#include "runtime/model/hugging_face_config.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace gpuinfer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Json json = Json::parse(fuzz::text_of(data, size), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return 0;
  fuzz::accept_error([&] {
    const model::ModelConfig config = model::parse_hugging_face_config(json, "config.json").config;
    model::check_config(config, "config.json");
    for (const model::LayerConfig& layer : config.layers) {
      fuzz::promise(layer.rope < config.ropes.size(), "every layer has a RoPE");
    }
    for (const model::Rope& rope : config.ropes) {
      fuzz::promise(static_cast<std::int64_t>(rope.inverse_frequencies.size()) == config.head_dim / 2,
                    "RoPE has a frequency for each pair");
    }
  });
  return 0;
}
