// policies/json_patch: minimal operations, guarded by tests.
#include "policies/json_patch.hpp"

#include <random>

#include "catch.hpp"

using namespace gpuinfer;
using namespace gpuinfer::policies;

namespace {

nlohmann::json unordered(const Json& value) { return nlohmann::json::parse(value.dump()); }

/// A random document of objects, lists and scalars, some with a "name".
Json random_value(std::mt19937& random, int depth) {
  const auto kind = random() % (depth == 0 ? 3 : 5);
  if (kind == 0) return static_cast<int>(random() % 4);
  if (kind == 1) return "text ~/" + std::to_string(random() % 3);
  if (kind == 2) return nullptr;
  Json value = kind == 3 ? Json::array() : Json::object();
  static const std::vector<std::string> keys{"name", "a/b", "c~d", "", "0"};
  for (auto i = random() % 4; i > 0; --i) {
    if (value.is_array()) {
      value.push_back(random_value(random, depth - 1));
    } else {
      value[keys[random() % keys.size()]] = random_value(random, depth - 1);
    }
  }
  return value;
}

}  // namespace

TEST_CASE("equal documents need no patch") { CHECK(json_patch({{"a", {1, 2}}}, {{"a", {1, 2}}}) == Json::array()); }

TEST_CASE("an appended element is one add, a new list is one add") {
  CHECK(json_patch({{"list", {1}}}, {{"list", {1, 2}}}) ==
        Json::parse(R"([{"op": "add", "path": "/list/-", "value": 2}])"));
  CHECK(json_patch(Json::object(), {{"list", {1, 2}}}) ==
        Json::parse(R"([{"op": "add", "path": "/list", "value": [1, 2]}])"));
}

TEST_CASE("keys are escaped") {
  CHECK(json_patch(Json::object(), {{"gpuinfer.dev/a~b", "x"}}) ==
        Json::parse(R"([{"op": "add", "path": "/gpuinfer.dev~1a~0b", "value": "x"}])"));
}

TEST_CASE("a change inside a list's element is guarded by the element's name, once") {
  const Json before = Json::parse(
      R"({"containers": [{"name": "a"}, {"name": "b", "image": "x", "env": [{"name": "E", "value": "1"}]}]})");
  Json after = before;
  after["containers"][1]["image"] = "y";
  after["containers"][1]["env"][0]["value"] = "2";
  CHECK(json_patch(before, after) == Json::parse(R"([
    {"op": "test", "path": "/containers/1/name", "value": "b"},
    {"op": "test", "path": "/containers/1/env/0/name", "value": "E"},
    {"op": "replace", "path": "/containers/1/image", "value": "y"},
    {"op": "replace", "path": "/containers/1/env/0/value", "value": "2"}])"));
}

TEST_CASE("an element without a name is tested whole") {
  CHECK(json_patch({{"l", {1, 2}}}, {{"l", {1, 3}}}) ==
        Json::parse(R"([{"op": "test", "path": "/l/1", "value": 2}, {"op": "replace", "path": "/l/1", "value": 3}])"));
}

TEST_CASE("random documents: the patch of any pair applies and gives the second") {
  std::mt19937 random(20261124);
  for (int round = 0; round < 5000; ++round) {
    const Json before = random_value(random, 4);
    const Json after = random_value(random, 4);
    const Json patch = json_patch(before, after);
    INFO(before << " -> " << after << " by " << patch);
    CHECK(unordered(before.patch(patch)) == unordered(after));
  }
}
