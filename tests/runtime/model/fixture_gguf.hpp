// The fixtures as llama.cpp's converter writes them, without storing their weights twice.
#pragma once

#include <string>

namespace gpuinfer::model {

/// The GGUF file of the fixture NAME, written from its safetensors with the metadata and the tensors that
/// fixtures/NAME/gguf.json lists. Throws std::runtime_error naming a tensor whose bytes are not the converter's.
std::string fixture_as_gguf(const std::string& name);

}  // namespace gpuinfer::model
