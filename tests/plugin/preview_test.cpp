// What `preview` shows of pods, workloads and everything else.
#include "plugin/preview.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/yaml.hpp"
#include "catch.hpp"
#include "plugin/model_manifests.hpp"
#include "temporary_folder.hpp"

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

TEST_CASE("a folder's files and a List's items are objects of their own") {
  const TemporaryFolder folder;
  write_file(folder.path() / "b.yaml", "{apiVersion: v1, kind: Service, metadata: {name: b}}");
  write_file(folder.path() / "a.json",
             R"({"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}]})");
  write_file(folder.path() / "kustomization.yaml", "resources: [b.yaml]");
  write_file(folder.path() / "notes.txt", "no YAML: [");
  const auto objects = read_objects(folder.path().string());
  REQUIRE(objects.size() == 2);
  CHECK(objects[0]["metadata"]["name"] == "a");
  CHECK(objects[1]["metadata"]["name"] == "b");
}

TEST_CASE("what is no Kubernetes object is refused with its file") {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "x.yaml").string();
  for (const char* text : {"", "a: b", "[1, 2]", "kind: Pod", "{apiVersion: v1, kind: List, items: [1]}", "a: ["}) {
    INFO(text);
    write_file(file, text);
    try {
      read_objects(file);
      FAIL("read");
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find("x.yaml") != std::string::npos);
    }
  }
  CHECK_THROWS_AS(read_objects(file + ".nowhere"), Error);
}

}  // namespace gpuinfer::plugin
