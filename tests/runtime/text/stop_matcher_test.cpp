#include "runtime/text/stop_matcher.hpp"

#include <random>
#include <string>
#include <vector>

#include "catch.hpp"

using namespace gpuinfer::text;

namespace {

/// The definition, on the whole text: the stop that ends first, the longest of those.
std::string cut(const std::string& text, const std::vector<std::string>& stops) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::size_t longest = 0;
    for (const std::string& stop : stops) {
      if (stop.size() > longest && stop.size() <= end && text.compare(end - stop.size(), stop.size(), stop) == 0)
        longest = stop.size();
    }
    if (longest > 0) return text.substr(0, end - longest);
  }
  return text;
}

}  // namespace

TEST_CASE("only what may still become a stop string is held back") {
  StopMatcher matcher({"END", "\n\n"});
  CHECK(matcher.add("hello E") == "hello ");
  CHECK(matcher.add("N") == "");
  CHECK(matcher.add("x\n") == "ENx");
  CHECK_FALSE(matcher.stopped());
  CHECK(matcher.add("\nmore") == "");
  CHECK(matcher.stopped());
  CHECK(matcher.add("more") == "");
  CHECK(matcher.finish() == "");
}

TEST_CASE("what was held back comes at the end") {
  StopMatcher matcher({"END"});
  CHECK(matcher.add("the EN") == "the ");
  CHECK(matcher.finish() == "EN");
  CHECK_FALSE(matcher.stopped());
}

TEST_CASE("without stop strings everything passes") {
  StopMatcher matcher({"", ""});
  CHECK(matcher.add("text") == "text");
  CHECK_FALSE(matcher.stopped());
}

TEST_CASE("any cut into pieces shows the same text") {
  std::mt19937 random(5);
  const auto word = [&](std::size_t longest) {
    std::string text;
    for (std::size_t length = random() % (longest + 1); text.size() < length;) text += "ab"[random() % 2];
    return text;
  };
  for (int round = 0; round < 5000; ++round) {
    const std::vector<std::string> stops{word(4), word(6), word(3)};
    const std::string text = word(24);
    StopMatcher matcher(stops);
    std::string shown;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t length = 1 + random() % 4;
      shown += matcher.add(text.substr(at, length));
      at += length;
      REQUIRE(cut(text, stops).compare(0, shown.size(), shown) == 0);
    }
    shown += matcher.finish();
    INFO(text << " with stops " << stops[0] << " " << stops[1] << " " << stops[2]);
    REQUIRE(shown == cut(text, stops));
    REQUIRE(matcher.stopped() == (shown != text));
  }
}
