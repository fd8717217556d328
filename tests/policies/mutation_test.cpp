// Mutated input: image references, quantities, policy documents and pods end in a result or in an Error, nothing else.
#include <functional>
#include <random>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/yaml.hpp"
#include "catch.hpp"
#include "policies/image_reference.hpp"
#include "policies/json_patch.hpp"
#include "policies/quantity.hpp"
#include "tests/policies/golden.hpp"

using namespace gpuinfer;
using namespace gpuinfer::policies;

namespace {

/// One to four edits: flipped, removed, doubled and foreign bytes, and cuts.
std::string mutated(std::string text, std::mt19937& random) {
  for (auto edits = 1 + random() % 4; edits > 0; --edits) {
    if (text.empty()) return text;
    const std::size_t at = random() % text.size();
    switch (random() % 5) {
      case 0:
        text[at] = static_cast<char>(random());
        break;
      case 1:
        text.erase(at, 1 + random() % 8);
        break;
      case 2:
        text.insert(at, text.substr(at, random() % 16));
        break;
      case 3:
        text.insert(at, 1, ":/@.-_{}[]\"0"[random() % 12]);
        break;
      default:
        if (random() % 8 == 0) text.resize(at);
    }
  }
  return text;
}

void accept_result_or_error(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error&) {
  }
}

/// A value somewhere in `document` replaced by one of another type.
Json with_a_wrong_type(Json document, std::mt19937& random) {
  Json* value = &document;
  for (int depth = 0; depth < 12 && value->is_structured() && !value->empty(); ++depth) {
    if (depth > 1 && random() % 4 == 0) break;
    auto item = value->begin();
    std::advance(item, static_cast<long>(random() % value->size()));
    value = &*item;
  }
  static const Json wrong = Json::parse(R"([null, true, -1, 1e308, "", "text", [], [null], {}, {"name": 1}, [[]]])");
  *value = wrong[random() % wrong.size()];
  return document;
}

}  // namespace

TEST_CASE("mutated image references and quantities") {
  std::mt19937 random(1);
  const std::string digest = "@sha256:" + std::string(64, 'a');
  for (int round = 0; round < 20000; ++round) {
    accept_result_or_error([&] {
      const ImageReference reference = parse_image_reference(mutated("ghcr.io:443/a/b-c__d:tag" + digest, random));
      // What is accepted once is accepted in its full form, as the same image.
      CHECK(to_string(parse_image_reference(to_string(reference))) == to_string(reference));
    });
    accept_result_or_error([&] { parse_quantity(mutated("-1234567890.123456789e+12", random)); });
  }
}

TEST_CASE("mutated policy documents") {
  std::mt19937 random(2);
  for (const std::string& text : {std::string(default_policy_text()), read_file("policies/every_setting.yaml")}) {
    for (int round = 0; round < 1500; ++round) {
      accept_result_or_error([&] { parse_policy_files({{"policy.yaml", mutated(text, random)}}); });
    }
  }
}

TEST_CASE("golden objects with values of wrong types") {
  std::mt19937 random(3);
  for (const GoldenCase& golden : golden_cases()) {
    for (int round = 0; round < 100; ++round) {
      const Json object = with_a_wrong_type(golden.object, random);
      INFO(object);
      accept_result_or_error([&] {
        const Injection injection = admit(object, golden.policies);
        CHECK_NOTHROW(object.patch(json_patch(object, injection.object)));
        CHECK(admit(injection.object, golden.policies).actions.empty());
      });
    }
  }
}
