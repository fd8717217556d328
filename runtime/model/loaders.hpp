// What model.cpp chooses between: one loader for each layout.
#pragma once

#include <filesystem>

#include "runtime/model/model.hpp"

namespace gpuinfer::model {

inline MappedFile::Access access_for(Reading reading) {
  return reading == Reading::kStreamed ? MappedFile::Access::kStreamed : MappedFile::Access::kByFileSystem;
}

/// The .gguf file `path`. Throws Error.
Model load_gguf_model(const std::filesystem::path& path, Reading reading, std::shared_ptr<LoadProgress> progress);

/// The folder `path` with config.json and safetensors. Throws Error.
Model load_hugging_face_model(const std::filesystem::path& path, Reading reading,
                              std::shared_ptr<LoadProgress> progress);

}  // namespace gpuinfer::model
