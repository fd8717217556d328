// Typed access to the metadata of a GGUF file's architecture: the keys that begin with its name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/model/gguf.hpp"

namespace gpuinfer::model {

/// "attention.head_count" stands for "llama.attention.head_count" where the architecture is "llama". Everything throws
/// Error naming the file and the key where a value is of another type.
class GgufSettings {
 public:
  /// `file` names its architecture and outlives this.
  explicit GgufSettings(const GgufFile& file);

  /// The file, for messages.
  std::string place() const { return file_.path().string(); }
  /// A key as it stands in the file.
  std::string full(const std::string& key) const { return prefix_ + key; }

  /// Throws Error: the model needs something that is not supported.
  [[noreturn]] void refuse(const std::string& what) const;

  std::optional<std::int64_t> integer(const std::string& key) const { return file_.integer(full(key)); }
  std::optional<double> real(const std::string& key) const { return file_.real(full(key)); }
  std::optional<bool> boolean(const std::string& key) const { return file_.boolean(full(key)); }
  std::optional<std::string_view> string(const std::string& key) const { return file_.string(full(key)); }

  /// Throws Error where the key is missing.
  std::int64_t required_integer(const std::string& key) const;
  /// A finite number above zero.
  double positive(const std::string& key, double otherwise) const;

  /// Which layers have a window by "attention.sliding_window_pattern": a flag for each layer, or the period of the full
  /// ones (layers period - 1, 2·period - 1 …; 0: there are none). Without the key, `period`.
  std::vector<bool> sliding_layers(std::size_t layers, std::int64_t period) const;

 private:
  const GgufFile& file_;
  std::string prefix_;
};

}  // namespace gpuinfer::model
