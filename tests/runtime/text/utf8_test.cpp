#include "runtime/text/utf8.hpp"

#include <string>

#include "catch.hpp"

using namespace gpuinfer::text;

TEST_CASE("what is not UTF-8 is replaced, a maximal subpart at a time") {
  CHECK(to_valid_utf8("") == "");
  CHECK(to_valid_utf8("plain, é, 日本, 🎉") == "plain, é, 日本, 🎉");
  CHECK(to_valid_utf8("a\xFFz") == "a\uFFFDz");
  CHECK(to_valid_utf8("a\x80\x80z") == "a\uFFFD\uFFFDz");
  CHECK(to_valid_utf8("\xC0\xAF") == "\uFFFD\uFFFD");                      // an overlong "/"
  CHECK(to_valid_utf8("\xED\xA0\x80") == "\uFFFD\uFFFD\uFFFD");            // a surrogate
  CHECK(to_valid_utf8("\xF4\x90\x80\x80") == "\uFFFD\uFFFD\uFFFD\uFFFD");  // beyond U+10FFFF
  // The example of Unicode 15, table 3-11.
  CHECK(to_valid_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41") == "\uFFFD\uFFFD\uFFFD\uFFFD\x41");
  CHECK(to_valid_utf8("a\xF0\x9F\x8E") == "a\uFFFD");
}

TEST_CASE("the incomplete end of a text") {
  CHECK(incomplete_suffix_length("") == 0);
  CHECK(incomplete_suffix_length("abc") == 0);
  CHECK(incomplete_suffix_length("é") == 0);
  CHECK(incomplete_suffix_length("a\xC3") == 1);
  CHECK(incomplete_suffix_length("a\xF0\x9F\x8E") == 3);
  CHECK(incomplete_suffix_length("a\xFF") == 0);  // can never become a character
  CHECK(incomplete_suffix_length("\x80\x80\x80") == 0);
  CHECK(incomplete_suffix_length("\xE0\x80") == 0);  // E0 needs A0 to BF
}

TEST_CASE("every character survives writing and reading") {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    append_utf8(text, c);
    const Utf8Character read = first_character(text);
    REQUIRE(read.kind == Utf8Character::Kind::kValid);
    REQUIRE(read.length == text.size());
    REQUIRE(read.code_point == c);
  }
}

TEST_CASE("white space and characters are counted as Python counts them") {
  CHECK(count_characters("aé日🎉") == 4);
  CHECK(length_without_trailing_space("ab \u3000\n") == 2);
  CHECK(length_without_trailing_space("\u00A0 ") == 0);
  CHECK(length_without_trailing_space("\u200B") == 3);  // not white space
  CHECK(leading_space_length("\t\u2003x") == 4);
  CHECK(leading_space_length("x") == 0);
}
