// Parsing a GGUF header, trusting nothing in it.
#include "runtime/model/gguf.hpp"

#include <bit>
#include <cstring>
#include <limits>
#include <set>

#include "base/error.hpp"

namespace gpuinfer::model {
namespace {

constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kMaximumAlignment = 1 << 20;
constexpr std::uint32_t kMaximumDimensions = 4;

/// gguf_metadata_value_type of the specification.
enum class ValueType : std::uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12
};

/// ggml_type numbers of the tensors that we read.
constexpr std::pair<std::uint32_t, DataType> kDataTypes[] = {
    {0, DataType::kF32},   {1, DataType::kF16},   {2, DataType::kQ4_0},  {3, DataType::kQ4_1},
    {6, DataType::kQ5_0},  {7, DataType::kQ5_1},  {8, DataType::kQ8_0},  {12, DataType::kQ4_K},
    {13, DataType::kQ5_K}, {14, DataType::kQ6_K}, {30, DataType::kBF16}, {39, DataType::kMxfp4Ggml}};

/// Others that a user may meet.
constexpr std::pair<std::uint32_t, std::string_view> kUnsupportedTypes[] = {
    {9, "Q8_1"},   {10, "Q2_K"},   {11, "Q3_K"},  {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"},
    {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"}, {22, "IQ2_S"}, {23, "IQ4_XS"},  {24, "I8"},     {25, "I16"},
    {26, "I32"},   {27, "I64"},    {28, "F64"},   {29, "IQ1_M"}, {34, "TQ1_0"},   {35, "TQ2_0"}};

std::optional<DataType> data_type(std::uint32_t ggml_type) {
  for (const auto& [number, type] : kDataTypes) {
    if (number == ggml_type) return type;
  }
  return std::nullopt;
}

std::string ggml_type_name(std::uint32_t ggml_type) {
  for (const auto& [number, type_name] : kUnsupportedTypes) {
    if (number == ggml_type) return std::string(type_name);
  }
  return "ggml type " + std::to_string(ggml_type);
}

/// Walks the header from front to back; every read is checked against the end of the file.
class Cursor {
 public:
  Cursor(const std::filesystem::path& path, MappedFile& file) : path_(path), file_(file), bytes_(file.bytes()) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return bytes_.size() - position_; }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(path_.string() + ": byte " + std::to_string(position_) + ": " + what,
                "The file is damaged or not a GGUF model. Fetch it again.");
  }

  template <typename T>
  T number() {
    require(sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof value);
    position_ += sizeof value;
    return value;
  }

  std::string_view string() {
    const auto length = number<std::uint64_t>();
    require(length);
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data() + position_), length);
    position_ += length;
    return text;
  }

  /// A count of things of at least `minimum_bytes` each that have to follow.
  std::uint64_t count(std::uint64_t minimum_bytes, const char* what) {
    const auto value = number<std::uint64_t>();
    if (value > remaining() / minimum_bytes) {
      fail(std::to_string(value) + " " + what + " cannot fit into the remaining " + std::to_string(remaining()) +
           " bytes");
    }
    return value;
  }

 private:
  void require(std::uint64_t bytes) {
    if (bytes > remaining()) {
      fail("needs " + std::to_string(bytes) + " bytes, but the file ends after " + std::to_string(remaining()));
    }
    file_.fetch(position_ + bytes);
  }

  const std::filesystem::path& path_;
  MappedFile& file_;
  std::span<const std::byte> bytes_;
  std::uint64_t position_ = 0;
};

std::int64_t unsigned_64(Cursor& cursor) {
  const auto value = cursor.number<std::uint64_t>();
  if (value > std::numeric_limits<std::int64_t>::max())
    cursor.fail("the number " + std::to_string(value) + " is too large");
  return static_cast<std::int64_t>(value);
}

bool boolean_byte(Cursor& cursor) {
  const auto value = cursor.number<std::uint8_t>();
  if (value > 1) cursor.fail("a boolean is " + std::to_string(value));
  return value == 1;
}

GgufValue read_scalar(Cursor& cursor, std::uint32_t type) {
  switch (static_cast<ValueType>(type)) {
    case ValueType::kUint8:
      return std::int64_t{cursor.number<std::uint8_t>()};
    case ValueType::kInt8:
      return std::int64_t{cursor.number<std::int8_t>()};
    case ValueType::kUint16:
      return std::int64_t{cursor.number<std::uint16_t>()};
    case ValueType::kInt16:
      return std::int64_t{cursor.number<std::int16_t>()};
    case ValueType::kUint32:
      return std::int64_t{cursor.number<std::uint32_t>()};
    case ValueType::kInt32:
      return std::int64_t{cursor.number<std::int32_t>()};
    case ValueType::kUint64:
      return unsigned_64(cursor);
    case ValueType::kInt64:
      return cursor.number<std::int64_t>();
    case ValueType::kFloat32:
      return double{cursor.number<float>()};
    case ValueType::kFloat64:
      return cursor.number<double>();
    case ValueType::kBool:
      return boolean_byte(cursor);
    case ValueType::kString:
      return cursor.string();
    case ValueType::kArray:
      break;
  }
  cursor.fail("unknown value type " + std::to_string(type));
}

/// Bytes that a value of `type` takes at least; 0 for what cannot stand in an array.
std::uint64_t minimum_bytes(std::uint32_t type) {
  switch (static_cast<ValueType>(type)) {
    case ValueType::kUint8:
    case ValueType::kInt8:
    case ValueType::kBool:
      return 1;
    case ValueType::kUint16:
    case ValueType::kInt16:
      return 2;
    case ValueType::kUint32:
    case ValueType::kInt32:
    case ValueType::kFloat32:
      return 4;
    case ValueType::kString:  // the length alone
    case ValueType::kUint64:
    case ValueType::kInt64:
    case ValueType::kFloat64:
      return 8;
    case ValueType::kArray:
      return 0;
  }
  return 0;
}

template <typename Element, typename Scalar = Element>
GgufValue read_elements(Cursor& cursor, std::uint32_t type, std::uint64_t count) {
  std::vector<Element> values;
  values.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) values.push_back(Element{std::get<Scalar>(read_scalar(cursor, type))});
  return values;
}

GgufValue read_value(Cursor& cursor) {
  const auto type = cursor.number<std::uint32_t>();
  if (static_cast<ValueType>(type) != ValueType::kArray) return read_scalar(cursor, type);

  const auto element_type = cursor.number<std::uint32_t>();
  const std::uint64_t element_bytes = minimum_bytes(element_type);
  // Arrays of arrays are legal but no model uses them, and without them nothing here recurses.
  if (element_bytes == 0) cursor.fail("arrays of value type " + std::to_string(element_type) + " are not supported");
  const std::uint64_t count = cursor.count(element_bytes, "array elements");
  switch (static_cast<ValueType>(element_type)) {
    case ValueType::kString:
      return read_elements<std::string_view>(cursor, element_type, count);
    case ValueType::kFloat32:
    case ValueType::kFloat64:
      return read_elements<double>(cursor, element_type, count);
    case ValueType::kBool:
      return read_elements<std::int64_t, bool>(cursor, element_type, count);
    default:
      return read_elements<std::int64_t>(cursor, element_type, count);
  }
}

/// A tensor's entry in the header; its data is checked once the header's end is known.
struct TensorEntry {
  std::string_view name;
  Tensor tensor;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

TensorEntry read_tensor_entry(Cursor& cursor) {
  TensorEntry entry;
  entry.name = cursor.string();
  const std::string quoted = "tensor '" + std::string(entry.name) + "'";

  const auto dimensions = cursor.number<std::uint32_t>();
  if (dimensions < 1 || dimensions > kMaximumDimensions) {
    cursor.fail(quoted + " has " + std::to_string(dimensions) + " dimensions");
  }
  std::uint64_t elements = 1;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const auto extent = cursor.number<std::uint64_t>();
    // The limit leaves room for multiplication by any block's bytes.
    if (extent == 0 || extent > (std::uint64_t{1} << 56) / elements) {
      cursor.fail(quoted + " has an impossible dimension, " + std::to_string(extent));
    }
    elements *= extent;
    entry.tensor.shape.insert(entry.tensor.shape.begin(), static_cast<std::int64_t>(extent));
  }

  const auto ggml_type = cursor.number<std::uint32_t>();
  const std::optional<DataType> type = data_type(ggml_type);
  if (!type) {
    cursor.fail(quoted + " is stored as " + ggml_type_name(ggml_type) +
                ", which is not supported (supported: F32, F16, BF16, Q4_0, Q4_1, Q8_0)");
  }
  entry.tensor.type = *type;
  if (entry.tensor.columns() % block_elements(*type) != 0) {
    cursor.fail(quoted + " has rows of " + std::to_string(entry.tensor.columns()) + " elements, not a multiple of a " +
                std::string(name(*type)) + " block");
  }
  entry.bytes = static_cast<std::uint64_t>(entry.tensor.rows() * entry.tensor.row_bytes());
  entry.offset = cursor.number<std::uint64_t>();
  return entry;
}

std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

}  // namespace

GgufFile::GgufFile(const std::filesystem::path& path, MappedFile::Access access)
    : path_(path), contents_(std::make_shared<MappedFile>(path, access)) {
  const std::span<const std::byte> bytes = contents_->bytes();
  Cursor cursor(path_, *contents_);
  if (cursor.number<std::uint32_t>() != kMagic) cursor.fail("does not start with \"GGUF\"");
  const auto version = cursor.number<std::uint32_t>();
  if (version != 2 && version != 3) {
    cursor.fail("GGUF version " + std::to_string(version) + " is not supported (supported: 2 and 3, little-endian)");
  }
  const std::uint64_t tensor_count = cursor.count(8 + 4 + 8 + 4 + 8, "tensors");
  const std::uint64_t key_count = cursor.count(8 + 4 + 1, "metadata keys");

  for (std::uint64_t i = 0; i < key_count; ++i) {
    const std::string_view key = cursor.string();
    if (!metadata_.emplace(key, read_value(cursor)).second) cursor.fail("duplicate key '" + std::string(key) + "'");
  }

  std::vector<TensorEntry> entries;
  std::set<std::string_view> names;
  for (std::uint64_t i = 0; i < tensor_count; ++i) {
    entries.push_back(read_tensor_entry(cursor));
    if (!names.insert(entries.back().name).second) {
      cursor.fail("duplicate tensor '" + std::string(entries.back().name) + "'");
    }
  }

  const auto alignment = static_cast<std::uint64_t>(integer("general.alignment").value_or(kDefaultAlignment));
  if (!std::has_single_bit(alignment) || alignment > kMaximumAlignment) {
    cursor.fail("general.alignment is " + std::to_string(alignment) + ", not a small power of two");
  }
  const std::uint64_t data_start = align_up(cursor.position(), alignment);
  const std::uint64_t data_bytes = bytes.size() - std::min<std::uint64_t>(data_start, bytes.size());
  for (TensorEntry& entry : entries) {
    if (entry.offset % alignment != 0 || entry.offset > data_bytes || entry.bytes > data_bytes - entry.offset) {
      cursor.fail("tensor '" + std::string(entry.name) + "' lies outside the file or unaligned (offset " +
                  std::to_string(entry.offset) + ", " + std::to_string(entry.bytes) + " bytes, of " +
                  std::to_string(data_bytes) + ")");
    }
    entry.tensor.bytes = bytes.subspan(data_start + entry.offset, entry.bytes);
    tensors_.push_back({entry.name, std::move(entry.tensor)});
  }
}

template <typename T>
const T* GgufFile::find(std::string_view key, std::string_view type_name) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return nullptr;
  const T* value = std::get_if<T>(&found->second);
  if (value == nullptr) {
    throw Error(path_.string() + ": metadata key '" + std::string(key) + "' is not " + std::string(type_name),
                "The file is damaged or was written by a faulty converter. Fetch it again.");
  }
  return value;
}

bool GgufFile::holds_array(std::string_view key) const {
  const auto found = metadata_.find(key);
  return found != metadata_.end() && (std::holds_alternative<std::vector<std::int64_t>>(found->second) ||
                                      std::holds_alternative<std::vector<double>>(found->second) ||
                                      std::holds_alternative<std::vector<std::string_view>>(found->second));
}

std::optional<std::string_view> GgufFile::string(std::string_view key) const {
  const auto* value = find<std::string_view>(key, "a string");
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<std::int64_t> GgufFile::integer(std::string_view key) const {
  const auto* value = find<std::int64_t>(key, "an integer");
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<double> GgufFile::real(std::string_view key) const {
  const auto found = metadata_.find(key);
  if (found != metadata_.end() && std::holds_alternative<std::int64_t>(found->second)) {
    return static_cast<double>(std::get<std::int64_t>(found->second));
  }
  const auto* value = find<double>(key, "a number");
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<bool> GgufFile::boolean(std::string_view key) const {
  const auto* value = find<bool>(key, "a boolean");
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<std::span<const std::string_view>> GgufFile::strings(std::string_view key) const {
  const auto* value = find<std::vector<std::string_view>>(key, "an array of strings");
  return value != nullptr ? std::optional(std::span(*value)) : std::nullopt;
}

std::optional<std::span<const std::int64_t>> GgufFile::integers(std::string_view key) const {
  const auto* value = find<std::vector<std::int64_t>>(key, "an array of integers");
  return value != nullptr ? std::optional(std::span(*value)) : std::nullopt;
}

std::optional<std::span<const double>> GgufFile::reals(std::string_view key) const {
  const auto* value = find<std::vector<double>>(key, "an array of numbers");
  return value != nullptr ? std::optional(std::span(*value)) : std::nullopt;
}

}  // namespace gpuinfer::model
