// Durations and API times.
#include "plugin/duration.hpp"

#include "base/error.hpp"
#include "catch.hpp"
#include "plugin/rfc3339.hpp"

namespace gpuinfer::plugin {

TEST_CASE("durations are read as kubectl reads them") {
  CHECK(parse_duration("90").count() == 90);
  CHECK(parse_duration("90s").count() == 90);
  CHECK(parse_duration("5m").count() == 300);
  CHECK(parse_duration("1h30m").count() == 5400);
  CHECK(parse_duration("0").count() == 0);
  for (const char* wrong : {"", "s", "5x", "-1", "1.5h", "5m ", "99999999999999999999", "9999999h"}) {
    INFO(wrong);
    CHECK_THROWS_AS(parse_duration(wrong), Error);
  }
}

TEST_CASE("API times become seconds") {
  CHECK(parse_rfc3339("1970-01-02T00:00:00Z") == 86400);
  CHECK(parse_rfc3339("2026-11-24T18:42:40.123456Z") == 1795545760);
  CHECK_FALSE(parse_rfc3339(""));
  CHECK_FALSE(parse_rfc3339("yesterday"));
}

}  // namespace gpuinfer::plugin
