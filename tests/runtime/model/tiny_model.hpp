// A small Llama with random weights as a GGUF file of any type, for tests of loaders and backends.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/model/tensor.hpp"

namespace gpuinfer::model {

/// Sizes are odd where they may be: a vocabulary and heads that fill no whole vectors.
struct TinyModel {
  static constexpr std::int64_t kVocab = 101, kHidden = 96, kIntermediate = 160, kLayers = 2, kHeads = 4, kKvHeads = 2,
                                kHeadDim = 24;
};

/// Every quantised type that a GGUF file may have.
inline constexpr std::array kGgmlQuantizedTypes = {DataType::kQ4_0, DataType::kQ4_1, DataType::kQ5_0,
                                                   DataType::kQ5_1, DataType::kQ8_0, DataType::kQ4_K,
                                                   DataType::kQ5_K, DataType::kQ6_K, DataType::kMxfp4Ggml};

/// Bytes of a random tensor of `type` with elements of about ±`magnitude`; the same for the same seed.
std::string random_tensor(DataType type, std::int64_t elements, float magnitude, std::uint64_t seed);

/// A whole file: matrices of `type`, norms of F32. `tied`: without an output matrix.
std::string tiny_llama_gguf(DataType type, bool tied = false);

}  // namespace gpuinfer::model
