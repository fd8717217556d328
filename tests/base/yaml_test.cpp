// base/yaml: YAML in with the scalar rules of Kubernetes and the place of every value, YAML out as people write it.
#include "base/yaml.hpp"

#include <random>

#include "catch.hpp"

using namespace gpuinfer;

namespace {

Json parse_one(const std::string& text) {
  const auto documents = parse_yaml(text, "test.yaml");
  REQUIRE(documents.size() == 1);
  return documents[0].value;
}

}  // namespace

TEST_CASE("plain scalars get the type that Kubernetes gives them") {
  const Json value = parse_one(R"(
nothing: [~, null, ]
bool: [true, False]
integer: [0, -12, 0x1F, 0o17, 18446744073709551615]
float: [1.5, -2e3, .5, 1.]
string: [yes, "1", '2', 1.2.3, 250m, 8Gi, 2026-11-24, .inf, "", -, 0x, 1e999, -0x10]
)");
  CHECK(value["nothing"] == Json::array({nullptr, nullptr}));
  CHECK(value["bool"] == Json::array({true, false}));
  CHECK(value["integer"] == Json::array({0, -12, 31, 15, 18446744073709551615ULL}));
  CHECK(value["float"] == Json::array({1.5, -2000.0, 0.5, 1.0}));
  CHECK(value["string"] ==
        Json::array({"yes", "1", "2", "1.2.3", "250m", "8Gi", "2026-11-24", ".inf", "", "-", "0x", "1e999", "-0x10"}));
}

TEST_CASE("documents, JSON, anchors and key order") {
  const auto documents = parse_yaml("---\na: &x {z: 1, b: 2}\nc: *x\n---\n---\n{\"k\": [1, \"two\"]}\n", "test.yaml");
  REQUIRE(documents.size() == 2);
  CHECK(documents[0].value.dump() == R"({"a":{"z":1,"b":2},"c":{"z":1,"b":2}})");
  CHECK(documents[1].value.dump() == R"({"k":[1,"two"]})");
  CHECK(parse_yaml("", "empty.yaml").empty());
  CHECK(parse_yaml("# only a comment\n", "empty.yaml").empty());
}

TEST_CASE("every value has its place") {
  const auto documents =
      parse_yaml("kind: Pod\nmetadata:\n  annotations:\n    a/b: x\n  list:\n  - 1\n  - two\n", "test.yaml");
  const auto& positions = documents.at(0).positions;
  CHECK(positions.at("/metadata/annotations/a~1b").line == 4);
  CHECK(positions.at("/metadata/annotations/a~1b").column == 10);
  CHECK(positions.at("/metadata/list/1").line == 7);
}

TEST_CASE("errors carry file, line and column") {
  CHECK_THROWS_WITH(parse_yaml("a: 1\nb: [1, 2\n", "bad.yaml"), Catch::StartsWith("bad.yaml:3:1: "));
  CHECK_THROWS_WITH(parse_yaml("a: 1\na: 2\n", "bad.yaml"), "bad.yaml:2:1: duplicate key 'a'");
  CHECK_THROWS_WITH(parse_yaml("? [a]\n: 1\n", "bad.yaml"), "bad.yaml:1:3: a key must be a plain value");
  CHECK_THROWS_WITH(parse_yaml("a: 1\nb: \xE1z\n", "bad.yaml"), "bad.yaml:2:4: not UTF-8");
  CHECK_THROWS_WITH(parse_yaml("a: 1\n\xE1: z\n", "bad.yaml"), "bad.yaml:2:1: not UTF-8");
}

TEST_CASE("a token that starts no document ends the parse") {
  for (const std::string text : {",", "a: 1\n---\n,", "]", "}", "a: 1\n}"}) {
    INFO(text);
    CHECK_THROWS_AS(parse_yaml(text, "bad.yaml"), YamlError);
  }
}

TEST_CASE("an alias bomb and bottomless nesting are refused") {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string previous = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + previous;
    for (int j = 0; j < 9; ++j) bomb += ", " + previous;
    bomb += "]\n";
  }
  CHECK_THROWS_AS(parse_yaml(bomb, "bomb.yaml"), YamlError);
  CHECK_THROWS_AS(parse_yaml(std::string(300, '[') + std::string(300, ']'), "deep.yaml"), YamlError);
}

TEST_CASE("YAML comes out as people write it") {
  const Json value =
      Json::parse(R"({"apiVersion": "v1", "items": [{"name": "a", "args": ["--port", "8000"]}, {"name": "b"}, []],
    "empty": {}, "quoted": ["true", "1.5", "yes", "", " x", "a: b", "x #y", "- a", "*x", "2026-01-01", "null"],
    "plain": ["250m", "a:b", "/models", "--port=1", "x#y"], "key with: colon": 1,
    "script": "line 1\n  line 2\n\nline 4\n", "strip": "a\nb", "keep": "a\n\n", "none": null})");
  CHECK(emit_yaml(value) == R"(apiVersion: v1
items:
- name: a
  args:
  - --port
  - "8000"
- name: b
- []
empty: {}
quoted:
- "true"
- "1.5"
- "yes"
- ""
- " x"
- "a: b"
- "x #y"
- "- a"
- "*x"
- "2026-01-01"
- "null"
plain:
- 250m
- a:b
- /models
- --port=1
- x#y
"key with: colon": 1
script: |
  line 1
    line 2

  line 4
strip: |-
  a
  b
keep: |+
  a

none: null
)");
}

namespace {

/// A random value made of the strings that YAML writers get wrong.
Json random_value(std::mt19937& random, int depth) {
  static const std::vector<std::string> kStrings{
      "",    "a",     "true", "No",  "~",      "1e5",   "0x10",    "-",     "- x",      "a: b", "a #b",   "#",     "x:",
      "'q'", "\"q\"", "a\nb", "\n",  "\na",    " a\nb", "a\n\n",   "tab\t", "é漢字",    "🙂", "...",    "--- a", "@x",
      "`x`", "%",     "{a}",  "[a]", "a\r\nb", "\x01",  "key/a~b", "1_000", "12:30:45", "=",    "<<",     "!tag",  "&x",
      "*y",  "|",     ">",    "a ",  "?",      "? x",   "NULL",    "0o7",   "+1",       ".5",   "a\n b\n"};
  const auto pick = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
  switch (depth > 3 ? pick(5) : pick(8)) {
    case 0:
      return nullptr;
    case 1:
      return pick(2) == 0;
    case 2:
      return pick(2000) - 1000;
    case 3:
      return (pick(2000) - 1000) / 8.0;
    case 4:
    case 5:
      return kStrings[pick(static_cast<int>(kStrings.size()))];
    case 6: {
      Json array = Json::array();
      for (int i = pick(4); i > 0; --i) array.push_back(random_value(random, depth + 1));
      return array;
    }
    default: {
      Json object = Json::object();
      for (int i = pick(4); i > 0; --i) {
        object[kStrings[pick(static_cast<int>(kStrings.size()))]] = random_value(random, depth + 1);
      }
      return object;
    }
  }
}

}  // namespace

TEST_CASE("what is written reads back as the same value") {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    const Json value = Json::array({random_value(random, 0)});
    const std::string text = emit_yaml(value);
    INFO(text);
    REQUIRE(parse_one(text) == value);
  }
}

TEST_CASE("mutated YAML gives values or a YamlError, never anything else") {
  const std::string valid =
      "a: &x {b: [1, 2, \"q\"], c: |\n  text\n  more\n}\nd: *x\n---\n- !!str 5\n- 'x'\n- ? k\n  : v\n";
  std::mt19937 random(11);
  for (int round = 0; round < 3000; ++round) {
    std::string text = valid;
    for (int edits = 1 + static_cast<int>(random() % 4); edits > 0; --edits) {
      const std::size_t place = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[place] = static_cast<char>(random() % 256);
          break;
        case 1:
          text.erase(place, 1 + random() % 5);
          break;
        default:
          text.insert(place, 1 + random() % 3, "{[:-&*!|\n \"'#"[random() % 13]);
      }
      if (text.empty()) text = "x";
    }
    try {
      parse_yaml(text, "mutated.yaml");
    } catch (const YamlError&) {
      SUCCEED();
    }
  }
}
