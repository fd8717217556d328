// Looking up tensors and saying precisely what is wrong with one.
#include "runtime/model/tensor_table.hpp"

#include "base/error.hpp"

namespace gpuinfer::model {
namespace {

std::string to_string(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t extent : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  return text + "]";
}

std::string place_of(const std::filesystem::path& path, const std::string& tensor) {
  return path.string() + ": tensor '" + tensor + "'";
}

}  // namespace

void TensorTable::add(std::string name, Tensor tensor) {
  tensor.name = name;
  const auto [place, added] = tensors_.emplace(std::move(name), std::move(tensor));
  if (!added) throw Error(path_.string() + ": tensor '" + place->first + "' is there twice");
}

void TensorTable::add_unsupported(std::string name, std::string type) {
  unsupported_.emplace(std::move(name), std::move(type));
}

const Tensor& TensorTable::take(const std::string& name, const std::vector<std::int64_t>& shape) {
  const Tensor& tensor = take_any(name, shape);
  if (tensor.type == DataType::kU8) throw Error(place_of(path_, name) + " holds bytes, the model needs numbers");
  return tensor;
}

const Tensor& TensorTable::take_bytes(const std::string& name, const std::vector<std::int64_t>& shape) {
  const Tensor& tensor = take_any(name, shape);
  if (tensor.type != DataType::kU8) throw Error(place_of(path_, name) + " holds numbers, the model needs bytes");
  return tensor;
}

const Tensor& TensorTable::take_any(const std::string& name, const std::vector<std::int64_t>& shape) {
  const std::string place = place_of(path_, name);
  if (const auto found = unsupported_.find(name); found != unsupported_.end()) {
    throw Error(place + " is stored as " + found->second + ", which is not supported (supported: F32, F16, BF16)");
  }
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw Error(place + " is missing", "The files are incomplete. Fetch them again.");
  if (found->second.shape != shape) {
    throw Error(place + " has shape " + to_string(found->second.shape) + ", the settings ask for " + to_string(shape));
  }
  taken_.insert(name);
  return found->second;
}

void TensorTable::check_all_taken() const {
  for (const auto& [name, tensor] : tensors_) {
    if (!taken_.contains(name) && !name.ends_with("rotary_emb.inv_freq")) {
      throw Error(path_.string() + ": tensor '" + name + "' is not part of the architecture",
                  "The model is of a family that is not supported yet.");
    }
  }
}

}  // namespace gpuinfer::model
