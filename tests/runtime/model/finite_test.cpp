// NaN and infinity are found in every stored type, and nothing else is taken for them.
#include "runtime/model/finite.hpp"

#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "catch.hpp"
#include "tiny_model.hpp"

namespace gpuinfer::model {
namespace {

constexpr std::int64_t kRows = 3;
constexpr std::int64_t kColumns = 256;

Tensor tensor_of(DataType type, const std::string& bytes) {
  return {.type = type, .shape = {kRows, kColumns}, .bytes = std::as_bytes(std::span(bytes)), .name = "the weight"};
}

bool is_finite(const Tensor& tensor) {
  std::vector<float> row(kColumns);
  for (std::int64_t i = 0; i < kRows; ++i) {
    dequantize_row(tensor, i, row);
    for (const float value : row) {
      if (!std::isfinite(value)) return false;
    }
  }
  return true;
}

TEST_CASE("a row with NaN or infinity is found whatever byte makes it so") {
  std::vector types = {DataType::kF32, DataType::kF16, DataType::kBF16};
  types.insert(types.end(), kGgmlQuantizedTypes.begin(), kGgmlQuantizedTypes.end());
  for (const DataType type : types) {
    DYNAMIC_SECTION(name(type)) {
      const std::string valid = random_tensor(type, kRows * kColumns, 1, 5);
      CHECK_NOTHROW(check_finite(tensor_of(type, valid)));
      // Every byte of the second row set to ones: found exactly where dequantising gives something that is not finite.
      const auto row_bytes = static_cast<std::size_t>(tensor_of(type, valid).row_bytes());
      std::size_t found = 0;
      for (std::size_t i = row_bytes; i < 2 * row_bytes; ++i) {
        std::string damaged = valid;
        damaged[i] = '\x7F';
        if (i % 2 == 1) damaged[i - 1] = static_cast<char>(i % 3 == 0 ? 0x80 : 0xFF);
        if (type == DataType::kMxfp4Ggml) damaged[i] = '\xFF';
        const Tensor tensor = tensor_of(type, damaged);
        if (is_finite(tensor)) {
          REQUIRE_NOTHROW(check_finite(tensor));
        } else {
          ++found;
          REQUIRE_THROWS_WITH(check_finite(tensor), "tensor 'the weight' holds NaN or infinity in row 1");
          REQUIRE_NOTHROW(check_finite(tensor, 0, 1));
        }
      }
      CHECK(found > 0);
    }
  }
}

TEST_CASE("the largest numbers are finite") {
  const auto check = [](DataType type, auto number) {
    std::string bytes;
    for (std::int64_t i = 0; i < kRows * kColumns; ++i) {
      bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
    }
    check_finite(tensor_of(type, bytes));
  };
  CHECK_NOTHROW(check(DataType::kF32, std::numeric_limits<float>::lowest()));
  CHECK_NOTHROW(check(DataType::kF16, std::uint16_t{0xFBFF}));
  CHECK_NOTHROW(check(DataType::kBF16, std::uint16_t{0xFF7F}));
  CHECK_THROWS_AS(check(DataType::kF32, -std::numeric_limits<float>::infinity()), Error);
  CHECK_THROWS_AS(check(DataType::kF16, std::uint16_t{0xFC00}), Error);
  CHECK_THROWS_AS(check(DataType::kBF16, std::uint16_t{0xFF80}), Error);
}

}  // namespace
}  // namespace gpuinfer::model
