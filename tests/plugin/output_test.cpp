// Tables, sizes and formats.
#include "plugin/output.hpp"

#include <unistd.h>

#include <sstream>

#include "base/yaml.hpp"
#include "catch.hpp"

namespace gpuinfer::plugin {

TEST_CASE("a table is aligned, in any script, with and without colour") {
  Table table({"NAME", "STATUS"});
  table.add_row({"smollm2", {"ready", Colour::kGreen}});
  table.add_row({"модель", {"loading", Colour::kYellow}});
  std::ostringstream plain;
  table.print(plain, false);
  CHECK(plain.str() == "NAME      STATUS\nsmollm2   ready\nмодель    loading\n");
  std::ostringstream coloured;
  table.print(coloured, true);
  CHECK(coloured.str().find("\033[32mready\033[0m") != std::string::npos);
}

TEST_CASE("sizes, parameters and ages are short") {
  CHECK(format_bytes(98362432) == "98.4 MB");
  CHECK(format_bytes(999) == "999 B");
  CHECK(format_bytes(13761264768) == "13.8 GB");
  CHECK(format_bytes(0) == "0 B");
  CHECK(format_memory(24ull << 30) == "24.0 GiB");
  CHECK(format_memory(22888ull << 20) == "22.4 GiB");
  CHECK(format_parameters(134515008) == "135M");
  CHECK(format_parameters(20914757184) == "20.9B");
  CHECK(format_age(0) == "0s");
  CHECK(format_age(-5) == "0s");
  CHECK(format_age(119) == "119s");
  CHECK(format_age(3600) == "60m");
  CHECK(format_age(3 * 3600) == "3h");
  CHECK(format_age(5 * 24 * 3600) == "5d");
}

TEST_CASE("several objects are a YAML stream or a JSON List") {
  const std::vector<Json> objects = {{{"kind", "A"}}, {{"kind", "B"}}};
  std::ostringstream yaml;
  print_objects(yaml, objects, "yaml");
  CHECK(yaml.str() == "kind: A\n---\nkind: B\n");
  std::ostringstream json;
  print_objects(json, objects, "json");
  CHECK(Json::parse(json.str())["items"] == Json(objects));
  std::ostringstream single;
  print_objects(single, {objects[0]}, "json");
  CHECK(Json::parse(single.str()) == objects[0]);
}

TEST_CASE("a pipe never gets colour") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  CHECK_FALSE(wants_colour(ends[1]));
  close(ends[0]);
  close(ends[1]);
  CHECK(paint("x", Colour::kRed, false) == "x");
}

}  // namespace gpuinfer::plugin
