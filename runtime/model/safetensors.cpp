// Parsing safetensors headers and the index of sharded models, trusting neither.
#include "runtime/model/safetensors.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/file.hpp"

namespace gpuinfer::model {
namespace {

// Sorted objects: looking up a name in gpuinfer::Json takes linear time, and a header may hold many names.
using SortedJson = nlohmann::json;

/// The limit of the safetensors library.
constexpr std::uint64_t kMaximumHeaderBytes = 100'000'000;
constexpr const char* kIndexName = "model.safetensors.index.json";

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what) {
  throw Error(file.string() + ": " + what, "The file is damaged or incomplete. Fetch it again.");
}

SortedJson parse_object(const std::filesystem::path& file, std::string_view text) {
  SortedJson value = SortedJson::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object()) fail(file, "not a JSON object");
  return value;
}

std::optional<DataType> data_type(const std::string& dtype) {
  if (dtype == "F32") return DataType::kF32;
  if (dtype == "F16") return DataType::kF16;
  if (dtype == "BF16") return DataType::kBF16;
  if (dtype == "U8") return DataType::kU8;
  return std::nullopt;
}

bool is_count(const SortedJson& value) {
  return value.is_number_unsigned() && value.get<std::uint64_t>() < std::uint64_t{1} << 56;
}

/// Adds the tensor that `entry` describes; `data` are the bytes behind the header.
void add_tensor(TensorTable& tensors, const std::filesystem::path& file, const std::string& name,
                const SortedJson& entry, std::span<const std::byte> data) {
  const std::string quoted = "tensor '" + name + "'";
  if (!entry.is_object()) fail(file, quoted + " is not described by an object");
  const SortedJson dtype = entry.value("dtype", SortedJson());
  const SortedJson shape = entry.value("shape", SortedJson());
  const SortedJson offsets = entry.value("data_offsets", SortedJson());
  if (!dtype.is_string() || !shape.is_array() || !offsets.is_array() || offsets.size() != 2 ||
      !std::all_of(shape.begin(), shape.end(), is_count) || !std::all_of(offsets.begin(), offsets.end(), is_count)) {
    fail(file, quoted + " lacks a valid dtype, shape or data_offsets");
  }
  const auto type = data_type(dtype.get<std::string>());
  if (!type) return tensors.add_unsupported(name, dtype.get<std::string>());

  Tensor tensor;
  tensor.type = *type;
  std::uint64_t elements = 1;
  for (const SortedJson& extent : shape) {
    const auto value = extent.get<std::uint64_t>();
    if (value == 0 || value > (std::uint64_t{1} << 56) / elements) fail(file, quoted + " has an impossible shape");
    elements *= value;
    tensor.shape.push_back(static_cast<std::int64_t>(value));
  }
  const auto begin = offsets[0].get<std::uint64_t>();
  const auto end = offsets[1].get<std::uint64_t>();
  if (begin > end || end > data.size()) {
    fail(file, quoted + " lies outside the file (bytes " + std::to_string(begin) + " to " + std::to_string(end) +
                   " of " + std::to_string(data.size()) + ")");
  }
  if (end - begin != elements * static_cast<std::uint64_t>(block_bytes(*type))) {
    fail(file, quoted + " has " + std::to_string(end - begin) + " bytes, its shape and type need " +
                   std::to_string(elements * static_cast<std::uint64_t>(block_bytes(*type))));
  }
  tensor.bytes = data.subspan(begin, end - begin);
  tensors.add(name, std::move(tensor));
}

/// Adds the tensors of one file, those in `wanted` only where that is given.
void add_file(Safetensors& all, const std::filesystem::path& file, const std::set<std::string>* wanted,
              MappedFile::Access access) {
  const auto contents = std::make_shared<MappedFile>(file, access);
  const std::span<const std::byte> bytes = contents->bytes();
  std::uint64_t header_bytes = 0;
  if (bytes.size() < sizeof header_bytes) fail(file, "too short for a safetensors file");
  contents->fetch(sizeof header_bytes);
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  const std::uint64_t limit = std::min<std::uint64_t>(kMaximumHeaderBytes, bytes.size() - sizeof header_bytes);
  if (header_bytes > limit) fail(file, "a header of " + std::to_string(header_bytes) + " bytes cannot fit");

  contents->fetch(sizeof header_bytes + header_bytes);
  const SortedJson header = parse_object(file, {reinterpret_cast<const char*>(bytes.data() + sizeof header_bytes),
                                                static_cast<std::size_t>(header_bytes)});
  const std::span<const std::byte> data = bytes.subspan(sizeof header_bytes + header_bytes);
  std::size_t added = 0;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__" || (wanted != nullptr && !wanted->contains(name))) continue;
    add_tensor(all.tensors, file, name, entry, data);
    ++added;
  }
  if (wanted != nullptr && added != wanted->size()) {
    for (const std::string& name : *wanted) {
      if (!header.contains(name)) fail(file, "lacks tensor '" + name + "', which the index places there");
    }
  }
  all.files.push_back(contents);
}

/// The names that the index places in each file.
std::map<std::string, std::set<std::string>> read_index(const std::filesystem::path& index) {
  const SortedJson value = parse_object(index, read_file(index));
  const auto weight_map = value.find("weight_map");
  if (weight_map == value.end() || !weight_map->is_object()) fail(index, "has no weight_map");
  std::map<std::string, std::set<std::string>> files;
  for (const auto& [name, file] : weight_map->items()) {
    if (!file.is_string()) fail(index, "the file of tensor '" + name + "' is not a string");
    const std::filesystem::path path = file.get<std::string>();
    // Only plain names: an index must not lead out of its folder.
    if (path.empty() || path != path.filename() || path == "..") {
      fail(index, "tensor '" + name + "' is placed in '" + path.string() + "', which is not a plain file name");
    }
    files[path.string()].insert(name);
  }
  return files;
}

}  // namespace

Safetensors open_safetensors(const std::filesystem::path& folder, MappedFile::Access access) {
  Safetensors all{TensorTable(folder), {}};
  if (std::filesystem::exists(folder / kIndexName)) {
    for (const auto& [file, names] : read_index(folder / kIndexName)) add_file(all, folder / file, &names, access);
  } else {
    add_file(all, folder / "model.safetensors", nullptr, access);
  }
  return all;
}

}  // namespace gpuinfer::model
