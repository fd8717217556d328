#include "manifests/golden.hpp"

#include <cstdlib>

#include "base/file.hpp"
#include "base/yaml.hpp"
#include "catch.hpp"

namespace gpuinfer::manifests {

void check_golden(const std::vector<Json>& objects, const std::string& name) {
  std::string yaml;
  for (const Json& object : objects) yaml += (yaml.empty() ? "" : "---\n") + emit_yaml(object);
  const std::string path = "manifests/testdata/" + name;
  const char* update = std::getenv("GPUINFER_UPDATE_GOLDEN");
  if (update != nullptr && std::string(update) == "1") {
    write_file(path, yaml);
    return;
  }
  INFO("if this change is meant, run again with GPUINFER_UPDATE_GOLDEN=1");
  CHECK(yaml == read_file(path));
}

}  // namespace gpuinfer::manifests
