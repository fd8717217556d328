// Placeholders: what they become, and what is refused.
#include "manifests/template.hpp"

#include <random>

#include "base/yaml.hpp"
#include "catch.hpp"

namespace gpuinfer::manifests {
namespace {

Json render(const std::string& text, const Parameters& parameters) {
  return render_template(text, "t.yaml", parameters);
}

TEST_CASE("a placeholder takes its parameter with its type") {
  CHECK(render("a: ${x}\n", {{"x", 5}}) == Json{{"a", 5}});
  CHECK(render("a: ${x}\n", {{"x", "5"}}) == Json{{"a", "5"}});
  CHECK(render("a: ${x}\n", {{"x", true}}) == Json{{"a", true}});
  CHECK(render("a:\n- 1\n- ${x}\n", {{"x", {{"k", Json::array({1})}}}}) == Json::parse(R"({"a": [1, {"k": [1]}]})"));
}

TEST_CASE("null leaves out what stands for it, and nothing else") {
  CHECK(render("a: ${x}\nb: null\nc:\n- ${x}\n- 1\n- null\n", {{"x", nullptr}}) ==
        Json::parse(R"({"b": null, "c": [1, null]})"));
  CHECK(render("a:\n  b: ${x}\n", {{"x", nullptr}}) == Json::parse(R"({"a": {}})"));
}

TEST_CASE("placeholders inside a text") {
  CHECK(render("a: 'n=${x}, m=${y}'\n", {{"x", 5}, {"y", "z"}}) == Json{{"a", "n=5, m=z"}});
  CHECK(render("a: ${x}${x}\n", {{"x", "b"}}) == Json{{"a", "bb"}});
  CHECK(render("a: $${x}\n", {}) == Json{{"a", "${x}"}});
  CHECK_THROWS_WITH(render("a: n=${x}\n", {{"x", Json::array()}}), Catch::Contains("only a string or a number"));
}

TEST_CASE("a value can neither add structure nor placeholders") {
  const std::string hostile = "b: {}\nc: \"${y}\" # --- &a *a !!x";
  CHECK(render("a: ${x}\n", {{"x", hostile}}) == Json{{"a", hostile}});
  CHECK(render("a: p${x}\n", {{"x", hostile}}) == Json{{"a", "p" + hostile}});
}

TEST_CASE("keys stay as they are") { CHECK(render("${x}: ${x}\n", {{"x", 1}}) == Json{{"${x}", 1}}); }

TEST_CASE("mistakes are named with their place") {
  CHECK_THROWS_WITH(render("a:\n  b/c: ${x}\n", {}), "t.yaml:2:8: the placeholder '${x}' has no parameter");
  CHECK_THROWS_WITH(render("a: 1\n", {{"x", 1}}), "t.yaml: the parameter 'x' has no placeholder");
  CHECK_THROWS_WITH(render("a: x${x\n", {{"x", 1}}), "t.yaml:1:4: '${' without '}'");
  CHECK_THROWS_WITH(render("a: 1\n---\nb: 1\n", {}), Catch::Contains("exactly one document"));
  CHECK_THROWS_AS(render("a: {\n", {}), YamlError);
}

TEST_CASE("a changed template is rendered or refused") {
  const std::string text = "a: ${x}\nb:\n- p${y}q\n- $${z}\nc/d:\n  e: ${x}\n";
  std::mt19937 random(13);
  for (int round = 0; round < 5000; ++round) {
    std::string changed = text;
    for (unsigned i = 0; i < 1 + random() % 3; ++i) changed[random() % changed.size()] = static_cast<char>(random());
    if (random() % 4 == 0) changed.resize(random() % changed.size());
    try {
      render(changed, {{"x", Json::object()}, {"y", 1}});
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace gpuinfer::manifests
