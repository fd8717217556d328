// A GGUF file, version 2 or 3: its metadata and where its tensors lie (ggml's docs/gguf.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/model/mapped_file.hpp"
#include "runtime/model/tensor.hpp"

namespace gpuinfer::model {

/// What one metadata key holds. Numbers of every width are widened; strings are views into the file.
using GgufValue = std::variant<std::int64_t, double, bool, std::string_view, std::vector<std::int64_t>,
                               std::vector<double>, std::vector<std::string_view>>;

struct GgufTensor {
  std::string_view name;
  Tensor tensor;
};

/// The whole header is parsed and checked on construction, and nothing else is read (MappedFile::fetch): every length,
/// count and offset lies inside the file before it is used. All views are valid as long as the file is.
class GgufFile {
 public:
  /// Throws Error naming the path, the place in the file and what is wrong there.
  explicit GgufFile(const std::filesystem::path& path, MappedFile::Access access = MappedFile::Access::kByFileSystem);

  const std::filesystem::path& path() const { return path_; }

  /// The value of a metadata key, or nothing where the file lacks it. Throws Error where it is of another type.
  std::optional<std::string_view> string(std::string_view key) const;
  std::optional<std::int64_t> integer(std::string_view key) const;
  /// Integers are real numbers too.
  std::optional<double> real(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::span<const std::string_view>> strings(std::string_view key) const;
  std::optional<std::span<const std::int64_t>> integers(std::string_view key) const;
  std::optional<std::span<const double>> reals(std::string_view key) const;

  /// Some keys hold an array in some files and a single value in others.
  bool holds_array(std::string_view key) const;

  /// In the order of the file. Shapes are ours, the reverse of ggml's.
  std::span<const GgufTensor> tensors() const { return tensors_; }

  /// The memory that all views point into.
  const std::shared_ptr<MappedFile>& contents() const { return contents_; }

 private:
  template <typename T>
  const T* find(std::string_view key, std::string_view type_name) const;

  std::filesystem::path path_;
  std::shared_ptr<MappedFile> contents_;
  std::map<std::string_view, GgufValue> metadata_;
  std::vector<GgufTensor> tensors_;
};

}  // namespace gpuinfer::model
