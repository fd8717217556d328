// base/base64: bytes there and back.
#include "base/base64.hpp"

#include "catch.hpp"

using namespace gpuinfer;

TEST_CASE("base64 goes there and back") {
  for (std::size_t size = 0; size < 100; ++size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * 37);
    CHECK(base64_decode(base64_encode(bytes)) == bytes);
  }
  CHECK(base64_encode("foob") == "Zm9vYg==");
  CHECK(base64_decode("Zm9v\nYg==\n") == "foob");
  CHECK_FALSE(base64_decode("Zm9v*").has_value());
  CHECK_FALSE(base64_decode("Zm9vY").has_value());
}
