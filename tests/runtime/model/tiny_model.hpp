// A small Llama with random weights as a GGUF file of any type, for tests of loaders and backends.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/model/tensor.hpp"

namespace gpuinfer::model {

/// Sizes are odd where they may be: a vocabulary and heads that fill no whole vectors.
struct TinyModel {
  static constexpr std::int64_t kVocab = 101, kHidden = 96, kIntermediate = 160, kLayers = 2, kHeads = 4, kKvHeads = 2,
                                kHeadDim = 24;
};

/// Bytes of a random tensor of `type` with elements of about ±`magnitude`; the same for the same seed.
std::string random_tensor(DataType type, std::int64_t elements, float magnitude, std::uint64_t seed);

/// A whole file: matrices of `type`, norms of F32. `tied`: without an output matrix.
std::string tiny_llama_gguf(DataType type, bool tied = false);

/// An empty folder that is removed at the end of a test.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Replaces a file's contents (without waiting for the disk); its path.
  std::filesystem::path write(const std::string& name, std::string_view contents) const;

 private:
  std::filesystem::path path_;
};

}  // namespace gpuinfer::model
