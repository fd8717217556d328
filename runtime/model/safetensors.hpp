// Weights in Hugging Face's safetensors files, one or many.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "runtime/model/mapped_file.hpp"
#include "runtime/model/tensor_table.hpp"

namespace gpuinfer::model {

struct Safetensors {
  TensorTable tensors;
  /// The memory that the tensors point into.
  std::vector<std::shared_ptr<MappedFile>> files;
};

/// The tensors of `folder`, of which only the headers have been read (MappedFile::fetch): those that
/// model.safetensors.index.json names, from the files that it names (the index is the truth: gpt-oss numbers its three
/// shards "of-00002"), or else all of model.safetensors. Every length and offset is checked against its file. Throws
/// Error naming file and tensor.
Safetensors open_safetensors(const std::filesystem::path& folder,
                             MappedFile::Access access = MappedFile::Access::kByFileSystem);

}  // namespace gpuinfer::model
