#include "tests/policies/golden.hpp"

#include <algorithm>
#include <filesystem>

#include "base/file.hpp"
#include "base/yaml.hpp"
#include "policies/json_patch.hpp"

namespace gpuinfer::policies {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFolder = "policies/testdata/";
constexpr std::string_view kAnswer = "--- # answer\n";

std::string path_of(const std::string& name) { return std::string(kFolder) + name + ".yaml"; }

GoldenCase read_case(const std::string& name) {
  const std::string text = read_file(path_of(name));
  const std::size_t end = std::min(text.find(kAnswer), text.size());
  GoldenCase golden{.name = name,
                    .object = {},
                    .documents = "",
                    .policies = default_policies(),
                    .input = text.substr(0, end),
                    .answer_as_is = end == text.size() ? "" : text.substr(end + kAnswer.size())};
  for (const YamlDocument& document : parse_yaml(golden.input, name)) {
    if (document.value["kind"] == "InjectionPolicy") {
      golden.documents += "---\n" + emit_yaml(document.value);
    } else {
      golden.object = document.value;
    }
  }
  if (!golden.documents.empty()) golden.policies = parse_policy_files({{name, golden.documents}});
  return golden;
}

constexpr std::size_t kLargeBytes = 256 << 10;

/// A pod with one GPU container, which `grow` makes larger bit by bit.
GoldenCase large_case(const std::string& name, void (*grow)(Json& pod, int step)) {
  Json pod = Json::parse(R"({
    "apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": "large", "annotations": {"gpuinfer.dev/inject": "true", "gpuinfer.dev/model": "smollm2-135m"}},
    "spec": {"containers": [{"name": "server", "image": "vllm/vllm-openai",
                             "env": [], "args": [], "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}})");
  for (int step = 0; step % 100 != 0 || pod.dump().size() < kLargeBytes; ++step) grow(pod, step);
  return {.name = "large/" + name,
          .object = pod,
          .documents = "",
          .policies = default_policies(),
          .input = "",
          .answer_as_is = ""};
}

}  // namespace

std::vector<GoldenCase> golden_cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(kFolder)) {
    if (entry.is_directory()) continue;
    names.push_back(entry.path().lexically_relative(kFolder).replace_extension().string());
  }
  std::sort(names.begin(), names.end());
  std::vector<GoldenCase> cases;
  for (const std::string& name : names) cases.push_back(read_case(name));
  return cases;
}

std::vector<GoldenCase> large_cases() {
  return {
      large_case("containers",
                 [](Json& pod, int step) {
                   pod["spec"]["containers"].push_back({{"name", "sidecar-" + std::to_string(step)},
                                                        {"image", "ghcr.io/org/sidecar:" + std::to_string(step)},
                                                        {"args", {"--number", std::to_string(step)}}});
                 }),
      large_case("environment",
                 [](Json& pod, int step) {
                   pod["spec"]["containers"][0]["env"].push_back(
                       {{"name", "VARIABLE_" + std::to_string(step)}, {"value", std::string(40, 'x')}});
                 }),
      large_case("text",
                 [](Json& pod, int step) {
                   Json& arguments = pod["spec"]["containers"][0]["args"];
                   if (arguments.empty()) arguments.push_back("");
                   arguments[0] = arguments[0].get<std::string>() + "模型 \"" + std::to_string(step) + "\" 🦙\n";
                 }),
      large_case("volumes",
                 [](Json& pod, int step) {
                   const std::string name = "config-" + std::to_string(step);
                   pod["spec"]["volumes"].push_back({{"name", name}, {"configMap", {{"name", name}}}});
                   pod["spec"]["containers"][0]["volumeMounts"].push_back(
                       {{"name", name}, {"mountPath", "/etc/" + name}, {"readOnly", true}});
                 }),
  };
}

Json answer(const Json& before, const Injection& injection) {
  Json result = {{"outcome", name(injection.outcome)}};
  if (!injection.denial.empty()) result["denial"] = injection.denial;
  if (!injection.warnings.empty()) result["warnings"] = injection.warnings;
  for (const Action& action : injection.actions) {
    result["actions"].push_back(action.policy + ": " + action.reason);
  }
  const Json patch = json_patch(before, injection.object);
  if (!patch.empty()) result["patch"] = patch;
  return result;
}

void record_answer(const GoldenCase& golden, const std::string& text) {
  write_file(path_of(golden.name), golden.input + std::string(kAnswer) + text);
}

}  // namespace gpuinfer::policies
