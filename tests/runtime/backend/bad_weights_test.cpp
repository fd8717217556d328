// Weights that are no numbers, and weights that cannot be read any more, end in an Error that names them.
#include <algorithm>
#include <filesystem>

#include "base/error.hpp"
#include "catch.hpp"
#include "gguf_writer.hpp"
#include "runtime/backend/kv_plan.hpp"
#include "runtime/backend/select.hpp"
#include "sequence.hpp"
#include "temporary_folder.hpp"
#include "tiny_model.hpp"

namespace gpuinfer::backend {
namespace {

constexpr std::int64_t kPages = 16;

std::unique_ptr<Backend> make(std::string_view name, const std::filesystem::path& file) {
  const auto model = std::make_shared<const model::Model>(model::load_model(model::find_model(file)));
  return make_backend(name, model, KvPlan::of_pages(kPages), 2);
}

/// `file` with the last bytes of the data of each tensor named `tensor` replaced by a float32 NaN.
std::string with_nan(std::string file, const std::filesystem::path& path, std::string_view tensor) {
  const model::Model model = model::load_model(model::find_model(path));
  for_each_tensor(model.weights, [&](const model::Tensor& weight) {
    if (weight.name != tensor) return;
    const std::string_view bytes(reinterpret_cast<const char*>(weight.bytes.data()), weight.bytes.size());
    file.replace(file.find(bytes) + bytes.size() - 4, 4, std::string("\x00\x00\xC0\x7F", 4));
  });
  return file;
}

TEST_CASE("NaN in a weight is an error that names the tensor") {
  const auto backend = GENERATE("reference", "cpu");
  const auto tensor = GENERATE("token_embd.weight", "blk.1.attn_norm.weight", "blk.0.ffn_down.weight", "output.weight");
  const TemporaryFolder folder;
  const std::string valid = model::tiny_llama_gguf(model::DataType::kF32);
  const auto path = folder.write("model.gguf", valid);
  CHECK_NOTHROW(make(backend, path));
  const auto damaged = folder.write("damaged.gguf", with_nan(valid, path, tensor));
  CHECK_THROWS_WITH(make(backend, damaged),
                    Catch::Contains("tensor '" + std::string(tensor) + "' holds NaN or infinity in row"));
}

TEST_CASE("a file cut short under a running backend is an error, not the end of the process") {
  const auto backend_name = GENERATE("reference", "cpu");
  const TemporaryFolder folder;
  const auto path = folder.write("model.gguf", model::tiny_llama_gguf(model::DataType::kF32));
  const std::unique_ptr<Backend> backend = make(backend_name, path);
  std::filesystem::resize_file(path, 4096);
  const std::vector<TokenId> tokens = {90, 91, 100};
  CHECK_THROWS_WITH(Sequence(kPages / 2).run(*backend, tokens, tokens.size()),
                    Catch::Contains("model.gguf: a part of the file cannot be read"));
}

}  // namespace
}  // namespace gpuinfer::backend
