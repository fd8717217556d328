#include "runtime/text/normalizer.hpp"

#include <string>

#include "catch.hpp"

using namespace gpuinfer::text;
using namespace gpuinfer::text::normalization;

namespace {

std::string normalized(const std::vector<Step>& steps, std::string_view text, bool first = true) {
  std::string buffer;
  return std::string(Normalizer(steps).apply(text, first, buffer));
}

}  // namespace

TEST_CASE("Unicode's normal forms") {
  CHECK(normalized({Form::kNfc}, "e\u0301 \uFB01") == "\u00E9 \uFB01");
  CHECK(normalized({Form::kNfd}, "\u00E9") == "e\u0301");
  CHECK(normalized({Form::kNfkc}, "e\u0301 \uFB01") == "\u00E9 fi");
  CHECK(normalized({Form::kNfkd}, "\u00E9\uFB01") == "e\u0301fi");
  CHECK(normalized({Form::kNfc}, "\u0344") == "\u0308\u0301");                            // excluded from composition
  CHECK(normalized({Form::kNfc}, "\u1100\u1161\u11A8") == "\uAC01");                      // Hangul
  CHECK(normalized({Form::kNfc}, "a\u0315\u0300\u05AE\u0062") == "\u00E0\u05AE\u0315b");  // marks change places
  CHECK(normalized({Form::kNfc}, std::string("a\0e\u0301", 5)) == std::string("a\0\u00E9", 4));
}

TEST_CASE("text that needs no change is not copied") {
  std::string buffer;
  const std::string_view text = "caf\u00E9 \u02FF";
  CHECK(Normalizer({Form::kNfc, Replace{"x", "y"}}).apply(text, true, buffer).data() == text.data());
}

TEST_CASE("SentencePiece's spaces") {
  const std::vector<Step> steps = {Prepend{.text = "_"}, Replace{" ", "_"}};
  CHECK(normalized(steps, "a b") == "_a_b");
  CHECK(normalized(steps, " a", false) == "__a");
  CHECK(normalized({Replace{"ab", "b"}}, "aabab") == "abb");
  CHECK(normalized({Prepend{.text = "_", .unless_present = true}}, "_a") == "_a");
  CHECK(normalized({Prepend{.text = "_", .only_first = true}}, "a", false) == "a");
}
