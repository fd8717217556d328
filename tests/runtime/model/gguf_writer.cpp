// The GGUF layout, written front to back.
#include "gguf_writer.hpp"

#include <map>
#include <ranges>

namespace gpuinfer::model {
namespace {

constexpr std::size_t kAlignment = 32;

// gguf_metadata_value_type of the specification.
constexpr std::uint32_t kUint32 = 4, kInt32 = 5, kFloat32 = 6, kBool = 7, kString = 8, kArray = 9;

template <typename T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_string(std::string& out, std::string_view text) {
  append<std::uint64_t>(out, text.size());
  out += text;
}

void pad(std::string& out) { out.resize((out.size() + kAlignment - 1) / kAlignment * kAlignment, '\0'); }

void append_key(std::string& out, std::string_view key, std::uint32_t type) {
  append_string(out, key);
  append(out, type);
}

template <typename T>
void append_array(std::string& out, std::string_view key, std::uint32_t type, const std::vector<T>& values) {
  append_key(out, key, kArray);
  append(out, type);
  append<std::uint64_t>(out, values.size());
  for (const T& value : values) {
    if constexpr (std::is_same_v<T, std::string>) {
      append_string(out, value);
    } else {
      append(out, value);
    }
  }
}

std::uint32_t ggml_type(DataType type) {
  static const std::map<DataType, std::uint32_t> kTypes = {
      {DataType::kF32, 0},   {DataType::kF16, 1},   {DataType::kQ4_0, 2},  {DataType::kQ4_1, 3},
      {DataType::kQ5_0, 6},  {DataType::kQ5_1, 7},  {DataType::kQ8_0, 8},  {DataType::kQ4_K, 12},
      {DataType::kQ5_K, 13}, {DataType::kQ6_K, 14}, {DataType::kBF16, 30}, {DataType::kMxfp4Ggml, 39}};
  return kTypes.at(type);
}

}  // namespace

void GgufWriter::add_string(std::string_view key, std::string_view value) {
  append_key(metadata_, key, kString);
  append_string(metadata_, value);
  ++keys_;
}

void GgufWriter::add_uint32(std::string_view key, std::uint32_t value) {
  append_key(metadata_, key, kUint32);
  append(metadata_, value);
  ++keys_;
}

void GgufWriter::add_float32(std::string_view key, float value) {
  append_key(metadata_, key, kFloat32);
  append(metadata_, value);
  ++keys_;
}

void GgufWriter::add_bool(std::string_view key, bool value) {
  append_key(metadata_, key, kBool);
  append(metadata_, static_cast<std::uint8_t>(value));
  ++keys_;
}

void GgufWriter::add_strings(std::string_view key, const std::vector<std::string>& values) {
  append_array(metadata_, key, kString, values);
  ++keys_;
}

void GgufWriter::add_int32s(std::string_view key, const std::vector<std::int32_t>& values) {
  append_array(metadata_, key, kInt32, values);
  ++keys_;
}

void GgufWriter::add_float32s(std::string_view key, const std::vector<float>& values) {
  append_array(metadata_, key, kFloat32, values);
  ++keys_;
}

void GgufWriter::add_tensor(std::string_view name, DataType type, const std::vector<std::int64_t>& shape,
                            std::string_view bytes) {
  append_string(tensor_table_, name);
  append(tensor_table_, static_cast<std::uint32_t>(shape.size()));
  for (const std::int64_t extent : shape | std::views::reverse) append(tensor_table_, extent);
  append(tensor_table_, ggml_type(type));
  append<std::uint64_t>(tensor_table_, data_.size());
  data_ += bytes;
  pad(data_);
  ++tensors_;
}

std::string GgufWriter::file() const {
  std::string out = "GGUF";
  append<std::uint32_t>(out, 3);
  append(out, tensors_);
  append(out, keys_);
  out += metadata_ + tensor_table_;
  pad(out);
  return out + data_;
}

}  // namespace gpuinfer::model
