// Objects from files, folders and lists.
#include "plugin/manifest_files.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "catch.hpp"
#include "temporary_folder.hpp"

namespace gpuinfer::plugin {

namespace {

std::vector<std::string> names(const std::vector<Json>& objects) {
  std::vector<std::string> names;
  for (const Json& object : objects)
    names.push_back(object.at("kind").get<std::string>() + "/" + object["metadata"].value("name", ""));
  return names;
}

}  // namespace

TEST_CASE("a folder's files, with -R those of its folders too") {
  const TemporaryFolder folder;
  write_file(folder.path() / "b.yaml", "{apiVersion: v1, kind: Service, metadata: {name: b}}");
  write_file(folder.path() / "a.json", R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}})");
  write_file(folder.path() / "kustomization.yaml", "resources: [b.yaml]");
  write_file(folder.path() / "notes.txt", "no YAML: [");
  write_file(folder.path() / "deep" / "er" / "c.yml", "{apiVersion: v1, kind: Pod, metadata: {name: c}}");
  CHECK(names(read_objects(folder.path().string())) == std::vector<std::string>{"Pod/a", "Service/b"});
  CHECK(names(read_objects(folder.path().string(), true)) == std::vector<std::string>{"Pod/a", "Service/b", "Pod/c"});
}

TEST_CASE("the items of every kind of list are objects of their own") {
  CHECK(names(parse_objects(
            R"({"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}]})",
            "x")) == std::vector<std::string>{"Pod/a"});
  // As an API server sends it.
  const auto pods =
      parse_objects("{apiVersion: v1, kind: PodList, items: [{metadata: {name: a}}, {metadata: {name: b}}]}", "x");
  CHECK(names(pods) == std::vector<std::string>{"Pod/a", "Pod/b"});
  CHECK(pods[0]["apiVersion"] == "v1");
  // A kind that is only called like one.
  CHECK(names(parse_objects("{apiVersion: example.com/v1, kind: AllowList, metadata: {name: a}}", "x")) ==
        std::vector<std::string>{"AllowList/a"});
}

TEST_CASE("JSON is read as JSON writes it") {
  const auto objects = parse_objects(R"( {"apiVersion":"v1","kind":"Pod","metadata":{"name":"\ud83e\udd99"}})", "x");
  CHECK(names(objects) == std::vector<std::string>{"Pod/🦙"});
}

TEST_CASE("what is no Kubernetes object is refused with its file") {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "x.yaml").string();
  for (const char* text : {"", "a: b", "[1, 2]", "kind: Pod", "{apiVersion: v1, kind: List, items: [1]}",
                           "{apiVersion: v1, kind: List, items: [{metadata: {name: x}}]}", "a: ["}) {
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
