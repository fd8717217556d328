// What model.cpp chooses between: one loader for each layout.
#pragma once

#include <filesystem>

#include "runtime/model/model.hpp"

namespace gpuinfer::model {

/// The .gguf file `path`. Throws Error.
Model load_gguf_model(const std::filesystem::path& path);

/// The folder `path` with config.json and safetensors. Throws Error.
Model load_hugging_face_model(const std::filesystem::path& path);

}  // namespace gpuinfer::model
