// What `preview` shows of pods, workloads and everything else.
#include "plugin/preview.hpp"

#include <random>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/yaml.hpp"
#include "catch.hpp"
#include "plugin/manifest_files.hpp"

namespace gpuinfer::plugin {

namespace {

std::vector<Preview> previews_of(const std::vector<Json>& objects) {
  std::vector<Preview> previews;
  for (const Json& object : objects) {
    for (Preview& one : preview(object, policies::default_policies(), "")) previews.push_back(std::move(one));
  }
  return previews;
}

std::vector<Preview> preview_file(const std::string& path) { return previews_of(read_objects(path)); }

}  // namespace

TEST_CASE("a Deployment is shown with the pod that it makes, other objects as they are") {
  const auto previews = preview_file("plugin/testdata/preview/deployment.yaml");
  REQUIRE(previews.size() == 3);
  CHECK(previews[0].injection.outcome == policies::Outcome::kUntouched);  // the Service
  CHECK(previews[1].name == "Deployment/vllm");
  CHECK(previews[2].name.find("made by Deployment/vllm") != std::string::npos);
  const Json& pod = previews[2].injection.object;
  CHECK(pod.at("spec").contains("tolerations"));
  CHECK(pod.at("spec").dump().find("/dev/shm") != std::string::npos);
  CHECK(pod.at("spec").dump().find("gpuinfer-models") != std::string::npos);
  CHECK_FALSE(previews[2].injection.actions.empty());
}

TEST_CASE("every format shows the same facts") {
  const auto previews = preview_file("plugin/testdata/preview/deployment.yaml");
  CHECK(parse_yaml(render(previews, "yaml"), "out.yaml").size() == previews.size());
  CHECK(Json::parse(render(previews, "json"))["items"].size() == previews.size());
  const std::string diff = render(previews, "diff");
  CHECK(diff.find("--- Deployment/vllm\n+++ Deployment/vllm after the webhook\n") != std::string::npos);
  CHECK(diff.find("Service") == std::string::npos);
  // Applying the patches gives the objects.
  const Json patches = Json::parse(render(previews, "patch"));
  REQUIRE(patches.size() == previews.size());
  for (std::size_t i = 0; i < previews.size(); ++i)
    CHECK(previews[i].before.patch(patches[i]["patch"]) == previews[i].injection.object);
}

TEST_CASE("the pods of both templates of a LeaderWorkerSet are shown") {
  const auto previews = previews_of(parse_objects(R"(
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: x, annotations: {gpuinfer.dev/inject: "true"}}
spec:
  leaderWorkerTemplate:
    leaderTemplate: {spec: {containers: [{name: a, image: busybox}]}}
    workerTemplate: {spec: {containers: [{name: b, image: busybox, resources: {limits: {nvidia.com/gpu: 1}}}]}}
)",
                                                  "x.yaml"));
  REQUIRE(previews.size() == 3);
  CHECK(previews[1].injection.actions.empty());
  CHECK_FALSE(previews[2].injection.actions.empty());
}

TEST_CASE("mutated manifests end in a preview or in an Error, nothing else") {
  std::mt19937 random(4);
  const std::string text = read_file("plugin/testdata/preview/deployment.yaml");
  for (int round = 0; round < 2000; ++round) {
    std::string mutated = text;
    for (auto edits = 1 + random() % 4; edits > 0; --edits) {
      const std::size_t at = random() % mutated.size();
      switch (random() % 4) {
        case 0:
          mutated[at] = static_cast<char>(random());
          break;
        case 1:
          mutated.erase(at, 1 + random() % 12);
          break;
        case 2:
          mutated.insert(at, mutated.substr(at, random() % 24));
          break;
        default:
          mutated.insert(at, 1, "[]{}:,-&*!|>'\"%@`#?\n\t"[random() % 22]);
      }
    }
    INFO(mutated);
    try {
      const auto previews = previews_of(parse_objects(mutated, "mutated.yaml"));
      for (const char* format : {"yaml", "json", "patch", "diff"}) render(previews, format);
    } catch (const Error&) {
    }
  }
}

}  // namespace gpuinfer::plugin
