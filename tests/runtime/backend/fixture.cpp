// Reading expected.json and logits.npy.
#include "fixture.hpp"

#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "base/file.hpp"
#include "base/json.hpp"
#include "fixture_gguf.hpp"
#include "temporary_folder.hpp"
#include "tiny_model.hpp"

namespace gpuinfer::backend {
namespace {

/// The values of a float32 .npy file (numpy.lib.format, version 1).
std::vector<float> read_npy(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  std::uint16_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data() + 8, sizeof header_bytes);
  const std::size_t begin = 10U + header_bytes;
  if (bytes.find("'<f4'") > begin) throw std::runtime_error(path.string() + ": not float32");
  std::vector<float> values((bytes.size() - begin) / sizeof(float));
  std::memcpy(values.data(), bytes.data() + begin, values.size() * sizeof(float));
  return values;
}

model::Model load_hugging_face(const std::filesystem::path& folder) {
  return model::load_model(model::find_model(folder));
}

model::Model load_gguf(const std::string& name) {
  const TemporaryFolder folder;  // the file stays mapped when its name is gone
  return model::load_model(model::find_model(folder.write("model.gguf", model::fixture_as_gguf(name))));
}

}  // namespace

Fixture load_fixture(const std::string& name, model::Layout layout) {
  const std::filesystem::path folder = std::filesystem::path("runtime/fixtures") / name;
  Fixture fixture;
  fixture.model = std::make_shared<const model::Model>(layout == model::Layout::kGguf ? load_gguf(name)
                                                                                      : load_hugging_face(folder));
  const std::vector<float> logits = read_npy(folder / "logits.npy");
  auto begin = logits.begin();
  const Json expected = Json::parse(read_file(folder / "expected.json"));
  for (const Json& prompt : expected.at("prompts")) {
    FixturePrompt& added = fixture.prompts.emplace_back();
    prompt.at("ids").get_to(added.ids);
    prompt.at("greedy").get_to(added.greedy);
    prompt.at("greedy_margins").get_to(added.greedy_margins);
    const auto end = begin + static_cast<std::ptrdiff_t>(added.ids.size()) * fixture.model->config.vocab_size;
    added.logits.assign(begin, end);
    begin = end;
  }
  return fixture;
}

}  // namespace gpuinfer::backend
