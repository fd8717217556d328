#include "runtime/text/marked_text.hpp"

#include "catch.hpp"

using namespace gpuinfer::text;

TEST_CASE("every byte remembers its origin") {
  MarkedText text("<a>", Origin::kTemplate);
  text.append("user", Origin::kUser);
  text.append(MarkedText("<b>", Origin::kTemplate));
  text.append("<c>", Origin::kTemplate);

  CHECK(text.str() == "<a>user<b><c>");
  CHECK(text.is_all(Origin::kTemplate, 0, 3));
  CHECK_FALSE(text.is_all(Origin::kTemplate, 0, 4));
  CHECK(text.is_all(Origin::kUser, 3, 7));
  CHECK(text.is_all(Origin::kTemplate, 7, 13));  // two neighbours of one origin are one run
  CHECK_FALSE(text.is_all(Origin::kTemplate, 6, 8));

  const MarkedText middle = text.slice(2, 8);
  CHECK(middle.str() == ">user<");
  CHECK(middle.is_all(Origin::kTemplate, 0, 1));
  CHECK(middle.is_all(Origin::kUser, 1, 5));
  CHECK(middle.is_all(Origin::kTemplate, 5, 6));
  CHECK(text.slice(4, 4).empty());
}

TEST_CASE("invalid bytes are replaced before they are marked") {
  const MarkedText text("a\xFF", Origin::kUser);
  CHECK(text.str() == "a\uFFFD");
  CHECK(text.is_all(Origin::kUser, 0, text.size()));
}
