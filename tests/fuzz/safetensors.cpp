// Fuzz target: any bytes as the weights of a model whose config.json is fine.
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/read_weights.hpp"
#include "tests/temporary_folder.hpp"

using namespace gpuinfer;

namespace {

/// The smallest Llama: one layer, so that a whole model fits into an input.
constexpr std::string_view kConfig = R"({
  "architectures": ["LlamaForCausalLM"], "vocab_size": 4, "hidden_size": 4, "intermediate_size": 4,
  "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 64, "tie_word_embeddings": true})";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TemporaryFolder folder("/dev/shm");
  folder.write("config.json", kConfig);
  folder.write("model.safetensors", fuzz::text_of(data, size));
  fuzz::accept_error([&] { fuzz::read_weights(model::load_model(model::find_model(folder.path()))); });
  return 0;
}
