// Writes GGUF files for tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/model/tensor.hpp"

namespace gpuinfer::model {

/// Collects metadata and tensors; file() lays them out as version 3 with an alignment of 32.
class GgufWriter {
 public:
  void add_string(std::string_view key, std::string_view value);
  void add_uint32(std::string_view key, std::uint32_t value);
  void add_float32(std::string_view key, float value);
  void add_bool(std::string_view key, bool value);
  void add_strings(std::string_view key, const std::vector<std::string>& values);
  void add_int32s(std::string_view key, const std::vector<std::int32_t>& values);
  void add_float32s(std::string_view key, const std::vector<float>& values);

  /// `shape` is ours, rows first; `bytes` are copied.
  void add_tensor(std::string_view name, DataType type, const std::vector<std::int64_t>& shape, std::string_view bytes);

  std::string file() const;

 private:
  std::uint64_t keys_ = 0;
  std::uint64_t tensors_ = 0;
  std::string metadata_;
  std::string tensor_table_;
  std::string data_;
};

}  // namespace gpuinfer::model
