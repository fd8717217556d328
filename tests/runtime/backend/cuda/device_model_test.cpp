// Weights on their way to the GPU that tests/simt plays.
#include "runtime/backend/cuda/device_model.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "broken_file.hpp"
#include "catch.hpp"
#include "fixture_gguf.hpp"
#include "simt/gpu.hpp"
#include "temporary_folder.hpp"

namespace gpuinfer::backend::cuda {
namespace {

const std::vector<std::string> kModels = {"llama", "qwen2", "qwen3-moe", "gemma3", "gpt-oss-mxfp4"};

/// A model of tests/runtime/fixtures in a folder of its own.
struct Copy {
  Copy(const std::string& name, model::Layout layout) {
    if (layout == model::Layout::kGguf) {
      weights = folder.write("model.gguf", model::fixture_as_gguf(name));
    } else {
      std::filesystem::copy("runtime/fixtures/" + name, folder.path());
      weights = folder.path() / "model.safetensors";
    }
  }
  model::Model load(model::Reading reading) const {
    return model::load_model(model::find_model(folder.path()), reading);
  }

  TemporaryFolder folder;
  std::filesystem::path weights;
};

/// What lies on the GPU.
std::vector<std::byte> bring(const model::Model& model) {
  ThreadPool pool(2);
  Queue queue;
  const Shard whole = make_shard(model, 0, 1);
  const std::vector<DeviceModel> devices = upload_shards({&whole, 1}, pool, {&queue, 1});
  const DeviceArray<std::byte>& memory = devices.front().memory;
  return {memory.data(), memory.data() + memory.size()};
}

/// Reads `model` through a ring of `chunks` pages.
void shrink_ring(model::Model& model, std::size_t chunks) {
  model.reader = nullptr;
  model.reader = std::make_shared<model::WeightReader>(
      model.files, model.progress, model::ReadAhead{.chunk_bytes = 4096, .chunks = chunks, .threads = 3});
}

TEST_CASE("weights that are streamed are the same on the GPU as weights that are mapped") {
  for (const std::string& name : kModels) {
    for (const model::Layout layout : {model::Layout::kHuggingFace, model::Layout::kGguf}) {
      DYNAMIC_SECTION(name << (layout == model::Layout::kGguf ? " from GGUF" : " from safetensors")) {
        const Copy copy(name, layout);
        const std::vector<std::byte> expected = bring(copy.load(model::Reading::kWhole));
        CHECK(bring(copy.load(model::Reading::kStreamed)) == expected);
        // Rings that hold little, and less than what some rows are made from: those are read on their own.
        for (const std::size_t chunks : {2, 3, 16}) {
          model::Model model = copy.load(model::Reading::kStreamed);
          shrink_ring(model, chunks);
          CHECK(bring(model) == expected);
        }
      }
    }
  }
}

/// What lies on each of two GPUs, one behind the other.
std::vector<std::byte> bring_to_two(const model::Model& model) {
  const std::vector<Shard> shards = {make_shard(model, 0, 2), make_shard(model, 1, 2)};
  ThreadPool pool(2);
  std::vector<Queue> queues(2);
  const std::vector<DeviceModel> devices = upload_shards(shards, pool, queues);
  std::vector<std::byte> bytes;
  for (int gpu = 0; gpu < 2; ++gpu) {
    use_device(gpu);
    const DeviceArray<std::byte>& memory = devices[static_cast<std::size_t>(gpu)].memory;
    bytes.insert(bytes.end(), memory.data(), memory.data() + memory.size());
  }
  use_device(0);
  return bytes;
}

TEST_CASE("several GPUs get their shards while the files are read once") {
  for (const std::string& name : kModels) {
    for (const model::Layout layout : {model::Layout::kHuggingFace, model::Layout::kGguf}) {
      DYNAMIC_SECTION(name << (layout == model::Layout::kGguf ? " from GGUF" : " from safetensors")) {
        const Copy copy(name, layout);
        const std::vector<std::byte> expected = bring_to_two(copy.load(model::Reading::kWhole));
        const model::Model one = copy.load(model::Reading::kStreamed);
        bring(one);
        for (const std::size_t chunks : {2, 16, 4096}) {
          model::Model model = copy.load(model::Reading::kStreamed);
          shrink_ring(model, chunks);
          model.progress->read_bytes = 0;
          CHECK(bring_to_two(model) == expected);
          CHECK(model.progress->loaded_bytes == model.progress->total_bytes);
          CHECK(model.progress->total_bytes >= one.progress->total_bytes * 99 / 100);
          CHECK(model.progress->total_bytes <= one.progress->total_bytes * 101 / 100);
          const auto file_bytes = static_cast<std::int64_t>(std::filesystem::file_size(copy.weights));
          if (chunks == 4096) CHECK(model.progress->read_bytes <= file_bytes);
        }
      }
    }
  }
}

TEST_CASE("progress goes from nothing to all the bytes of the weights") {
  for (const std::string& name : kModels) {
    DYNAMIC_SECTION(name) {
      const Copy copy(name, model::Layout::kHuggingFace);
      const model::Model model = copy.load(model::Reading::kStreamed);
      CHECK(model.progress->loaded_bytes == 0);
      bring(model);
      CHECK(model.progress->loaded_bytes == model.progress->total_bytes);
      CHECK(model.progress->read_bytes > 0);
      std::ifstream file(copy.weights, std::ios::binary);
      std::uint64_t header_bytes = 0;
      file.read(reinterpret_cast<char*>(&header_bytes), sizeof header_bytes);
      const auto weights = static_cast<std::int64_t>(std::filesystem::file_size(copy.weights) - 8 - header_bytes);
      CHECK(model.progress->total_bytes >= weights * 9 / 10);
      CHECK(model.progress->total_bytes <= weights * 11 / 10);
    }
  }
}

TEST_CASE("a file that ends early, or cannot be read, is an error that names it and leaves nothing on the GPU") {
  const bool breaks = GENERATE(false, true);
  const Copy copy("llama", model::Layout::kHuggingFace);
  model::Model model = copy.load(model::Reading::kStreamed);
  model.reader = nullptr;
  if (breaks) {
    model::break_open_file(copy.weights);
  } else {
    std::filesystem::resize_file(copy.weights, std::filesystem::file_size(copy.weights) - 5000);
  }
  shrink_ring(model, 16);
  CHECK_THROWS_WITH(bring(model), Catch::Contains("model.safetensors: ") &&
                                      Catch::Contains(breaks ? "cannot read: Is a directory" : "became shorter"));
  CHECK(model.progress->loaded_bytes < model.progress->total_bytes);
  CHECK(simt::allocated_bytes() == 0);
}

TEST_CASE("a weight that is no number is found on its way") {
  const Copy copy("llama", model::Layout::kHuggingFace);
  const model::Model whole = copy.load(model::Reading::kWhole);
  const model::Tensor& tensor = whole.weights.layers.back().experts.front().down.weight;
  const auto offset = tensor.row(3).data() - whole.files.front()->bytes().data();
  const std::string not_a_number(static_cast<std::size_t>(block_bytes(tensor.type)), '\xFF');
  std::fstream(copy.weights, std::ios::in | std::ios::out | std::ios::binary).seekp(offset) << not_a_number;
  CHECK_THROWS_WITH(bring(copy.load(model::Reading::kStreamed)),
                    Catch::Contains(tensor.name) && Catch::Contains("NaN or infinity in row 3"));
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
