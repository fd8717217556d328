// policies/quantity: what Kubernetes accepts as an amount, and what it is worth.
#include "policies/quantity.hpp"

#include "base/error.hpp"
#include "catch.hpp"

using namespace gpuinfer;
using namespace gpuinfer::policies;

TEST_CASE("quantities have the value that resource.Quantity.Value() gives") {
  struct Case {
    const char* text;
    std::int64_t value;
  };
  const auto [text, value] = GENERATE(values<Case>({
      {"0", 0},
      {"1", 1},
      {"+3", 3},
      {"-3", -3},
      {"007", 7},
      {"1.", 1},
      {".5", 1},
      {"1.5", 2},
      {"-1.5", -2},
      {"500m", 1},
      {"1500m", 2},
      {"2000m", 2},
      {"1n", 1},
      {"999999999n", 1},
      {"1000000001n", 2},
      {"5u", 1},
      {"1k", 1000},
      {"1.5k", 1500},
      {"2M", 2000000},
      {"3G", 3000000000},
      {"1T", 1000000000000},
      {"1P", 1000000000000000},
      {"1E", 1000000000000000000},
      {"1Ki", 1024},
      {"0.5Ki", 512},
      {"0.5Gi", 536870912},
      {"8Gi", 8589934592},
      {"1Ti", 1099511627776},
      {"1Pi", 1125899906842624},
      {"7Ei", 8070450532247928832},
      {"1e3", 1000},
      {"1E3", 1000},
      {"1e+3", 1000},
      {"15e-1", 2},
      {"1e-400", 1},
      {"0e999", 0},
      {"0.00000000000000000000000000000000000000001", 1},
      {"9223372036854775807", 9223372036854775807},
  }));
  INFO(text);
  CHECK(parse_quantity(text) == value);
}

TEST_CASE("what is no quantity is refused") {
  const std::string text =
      GENERATE("", "-", ".", "abc", "Gi", "1 Gi", "1Gi ", "8 gigs", "1gi", "1KI", "1K", "1e", "1e+", "1e+-3", "1.2.3",
               "0x10", "1,5", "--1", "1Zi", "1ki", "1mi", "9223372036854775808", "8Ei", "10E", "1e19", "1e999999999999",
               "12345678901234567890", "1\n", "１");
  INFO(text);
  CHECK_THROWS_AS(parse_quantity(text), Error);
}

TEST_CASE("a limit may be a string or a number") {
  CHECK(quantity_of("2Gi") == 2147483648);
  CHECK(quantity_of(4) == 4);
  CHECK(quantity_of(1.5) == 2);
  CHECK_THROWS_AS(quantity_of(Json::array()), Error);
  CHECK_THROWS_AS(quantity_of(nullptr), Error);
}

TEST_CASE("bytes are written with the largest suffix that divides them") {
  CHECK(format_bytes(0) == "0");
  CHECK(format_bytes(1000) == "1000");
  CHECK(format_bytes(1024) == "1Ki");
  CHECK(format_bytes(1610612736) == "1536Mi");
  CHECK(format_bytes(2147483648) == "2Gi");
  CHECK(format_bytes(std::int64_t{1} << 60) == "1Ei");
}
