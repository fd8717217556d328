// The tensors of a model by their names in its files, handed out with their shapes checked.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/model/tensor.hpp"

namespace gpuinfer::model {

class TensorTable {
 public:
  /// `path` is the file or folder that error messages name.
  explicit TensorTable(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }

  /// Throws Error where the name is there already.
  void add(std::string name, Tensor tensor);
  /// A tensor that is there but stored in a type that we cannot read: an error only once it is asked for.
  void add_unsupported(std::string name, std::string type);

  bool contains(const std::string& name) const { return tensors_.contains(name); }

  /// The tensor called `name`, of numbers. Throws Error where it is missing or its shape is not `shape`.
  const Tensor& take(const std::string& name, const std::vector<std::int64_t>& shape);

  /// The same for a tensor of bytes.
  const Tensor& take_bytes(const std::string& name, const std::vector<std::int64_t>& shape);

  /// Throws Error naming a tensor that nobody took: a model whose weights we do not all use is not the model that we
  /// would compute. RoPE frequencies, which some converters write, are derived from the settings and may remain.
  void check_all_taken() const;

 private:
  const Tensor& take_any(const std::string& name, const std::vector<std::int64_t>& shape);

  std::filesystem::path path_;
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, std::string> unsupported_;
  std::set<std::string> taken_;
};

}  // namespace gpuinfer::model
