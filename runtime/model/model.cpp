// Which layout a path holds.
#include "runtime/model/model.hpp"

#include <utility>

#include "base/error.hpp"
#include "runtime/model/loaders.hpp"

namespace gpuinfer::model {

ModelLocation find_model(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  if (!fs::exists(status)) {
    throw Error(path.string() + ": no such file or folder", "Name a .gguf file or a folder that holds a model.");
  }
  if (!fs::is_directory(status)) return {Layout::kGguf, path};
  if (fs::exists(path / "config.json", ignored)) return {Layout::kHuggingFace, path};

  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, ignored)) {
    if (entry.path().extension() == ".gguf") found.push_back(entry.path());
  }
  if (found.size() == 1) return {Layout::kGguf, found.front()};
  throw Error(path.string() + ": holds neither config.json nor exactly one .gguf file (it holds " +
                  std::to_string(found.size()) + " of those)",
              found.empty() ? "Fetch the model into this folder." : "Name the .gguf file itself.");
}

void fetch(const Model& model, std::span<const std::byte> bytes) {
  if (model.reader == nullptr) return;
  for (const auto& file : model.files) {
    const std::span<const std::byte> all = file->bytes();
    if (bytes.data() >= all.data() && bytes.data() < all.data() + all.size()) file->fetch_part(bytes);
  }
}

Model load_model(const ModelLocation& location, Reading reading, std::shared_ptr<LoadProgress> progress) {
  return location.layout == Layout::kGguf ? load_gguf_model(location.path, reading, std::move(progress))
                                          : load_hugging_face_model(location.path, reading, std::move(progress));
}

}  // namespace gpuinfer::model
