// Rounding to bfloat16.
#include "runtime/model/half.hpp"

#include <limits>

#include "catch.hpp"

namespace gpuinfer::model {
namespace {

TEST_CASE("to the nearest bfloat16, and to the even one of two") {
  constexpr float kStep = 0x1p-7F;  // between the bfloat16 numbers from 1 to 2
  const auto [value, rounded] = GENERATE(table<float, float>({
      {1.0F, 1.0F},
      {1 + kStep / 2, 1.0F},
      {1 + kStep * 0.51F, 1 + kStep},
      {1 + kStep * 1.5F, 1 + kStep * 2},
      {1 + kStep * 2.5F, 1 + kStep * 2},
      {2 - kStep / 4, 2.0F},
      {-1 - kStep * 1.5F, -1 - kStep * 2},
      {0x1p-130F, 0x1p-130F},
      {0.0F, 0.0F},
      {std::numeric_limits<float>::max(), std::numeric_limits<float>::infinity()},
  }));
  CHECK(from_bfloat16(to_bfloat16(value)) == rounded);
}

}  // namespace
}  // namespace gpuinfer::model
