#include "runtime/text/chat_template.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "catch.hpp"
#include "runtime/model/mutations.hpp"
#include "runtime/text/tokenizer.hpp"
#include "small_tokenizer.hpp"

using namespace gpuinfer;
using namespace gpuinfer::text;

namespace {

const Json kVariables = Json::parse(R"({
  "messages": [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "<|a|>", "tags": ["x", 1, 2.5, null, true]}],
  "add_generation_prompt": true, "n": 3, "text": "a日b"
})");

std::string render(const std::string& source) { return ChatTemplate(source).render(kVariables).str(); }

std::string error_of(const std::string& source) {
  try {
    render(source);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string repeat(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

}  // namespace

// Agreement with Jinja is test_chat_template.py's business; here is what Jinja does not know.

TEST_CASE("the user's text keeps its origin through everything that a template does with it") {
  const std::string special = "<|a|>";
  for (const char* expression :
       {"messages[1].content", "messages[1].content | trim", "messages[1].content[0:5]", "'' + messages[1].content",
        "messages[1].content ~ ''", "[messages[1].content] | join(',')", "messages[1].content | default('x')",
        "messages[1].content if true else ''", "(messages | last).content", "messages[1].content.strip()",
        "messages[1].content.split('!')[0]", "messages[1].content[::1]", "messages[1].content.replace('!', '')",
        "(messages | map(attribute='content') | list)[1]", "messages[1].content | lower",
        "'<|' ~ messages[1].content[2:3] ~ '|>'"}) {
    INFO(expression);
    const MarkedText text = ChatTemplate("{{ " + std::string(expression) + " }}").render(kVariables);
    REQUIRE(text.str() == special);
    CHECK_FALSE(text.is_all(Origin::kTemplate, 0, special.size()));
    CHECK(Tokenizer(testing::small_spec()).encode(text).size() == special.size());
  }
}

TEST_CASE("the template's own text may spell special tokens, with a usual role inside") {
  CHECK(ChatTemplate("{{ '<|a' + '|>' }}").render(kVariables).is_all(Origin::kTemplate, 0, 5));
  CHECK(ChatTemplate("{{ bos_token }}", {{"bos_token", "<|a|>"}}).render(kVariables).is_all(Origin::kTemplate, 0, 5));
  const ChatTemplate by_role("{% for m in messages %}{{ '<|' ~ m.role ~ '|>' }}{% endfor %}");
  CHECK(by_role.render(kVariables).is_all(Origin::kTemplate, 0, 18));
  const Json odd_role = {{"messages", {{{"role", "user|><|a"}, {"content", ""}}}}};
  CHECK_FALSE(by_role.render(odd_role).is_all(Origin::kTemplate, 0, 13));
}

TEST_CASE("the clock is given") {
  CHECK(ChatTemplate("{{ strftime_now('%Y') if strftime_now is defined }}").render(kVariables, 86400 * 366).str() ==
        "1971");
}

TEST_CASE("templates that cannot be used say why, with the line") {
  CHECK(error_of("a\n{% if x %}") == "line 2: 'if' is never closed");
  CHECK(error_of("{{ 'a }}") == "line 1: a string that is never closed");
  CHECK(error_of("\n\n{# ") == "line 3: a comment that is never closed");
  CHECK(error_of("{{ a") == "line 1: a tag that is never closed");
  CHECK(error_of("{% endfor %}") == "line 1: 'endfor' without its beginning");
  CHECK(error_of("{{ }}") == "line 1: expected an expression before '}}'");
  CHECK(error_of("{{ a b }}") == "line 1: expected '}}' before 'b'");
  CHECK(error_of("{{ 99999999999999999999 }}") == "line 1: the number 99999999999999999999 is too large");
  CHECK(error_of("\n{{ x | reverse }}").find("line 2: the filter 'reverse' (these are: count, ") == 0);
  CHECK(error_of("{% call f() %}{% endcall %}") ==
        "line 1: the statement 'call' is not supported in a chat template yet");
  CHECK(error_of("{{ cycler() }}") == "line 1: the function 'cycler' is not supported in a chat template yet");
  CHECK(error_of("{{ 'a'.casefold() }}").find("line 1: the method 'casefold' (these are: endswith, get, ") == 0);
}

TEST_CASE("conversations that a template cannot render say why, with the line") {
  CHECK(error_of("\n{{ messages[0].nothing.at_all }}") ==
        "the model's chat template cannot render this conversation (line 2: the dict has no item 'nothing')");
  CHECK(error_of("{{ 'a' + 1 }}") ==
        "the model's chat template cannot render this conversation (line 1: '+' of a string and a integer)");
  CHECK(error_of("{{ 9223372036854775807 + n }}") ==
        "the model's chat template cannot render this conversation (line 1: a number beyond 64 bits)");
  CHECK(error_of("{{ raise_exception('roles must ' ~ 'alternate') }}") ==
        "the model's chat template refuses this conversation: roles must alternate");
}

TEST_CASE("hostile templates and messages end in an error, not in a crash") {
  CHECK(error_of(repeat("{% set text = text ~ text %}", 40)).find("too much work") != std::string::npos);
  CHECK(error_of(repeat("{% for a in [1,2,3,4,5,6,7,8,9,10] %}", 12) + "x" + repeat("{% endfor %}", 12))
            .find("too much work") != std::string::npos);
  CHECK(error_of("{{ " + repeat("(", 5000) + "1" + repeat(")", 5000) + " }}") == "line 1: nested too deeply");
  CHECK(error_of("{{ 1" + repeat(" + 1", 5000) + " }}") == "line 1: nested too deeply");
  CHECK(error_of("{{ " + repeat("not ", 5000) + "1 }}") == "line 1: nested too deeply");
  CHECK(error_of("{{ text" + repeat("|trim", 5000) + " }}") == "line 1: nested too deeply");
  CHECK(error_of("{{ text" + repeat(".a", 5000) + " }}") == "line 1: nested too deeply");
  CHECK(error_of(repeat("{% if 1 %}", 5000) + repeat("{% endif %}", 100)) == "line 1: nested too deeply");
  CHECK(error_of(std::string(100'000, 'x')) == "a chat template of 100000 bytes; the limit is 65536");
  CHECK(error_of("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}").find("nested too deeply") != std::string::npos);
  CHECK(error_of("{% macro f(n) %}{% for i in n %}{{ f(n) }}{% endfor %}{% endmacro %}{{ f([1, 2]) }}")
            .find("nested too deeply") != std::string::npos);
  CHECK(error_of("{% set n = namespace(a=1) %}{% set n.a = [n] %}{{ n.a ~ n.a | tojson }}").find("namespace") !=
        std::string::npos);
  CHECK(render("{{ 'abc'[::9223372036854775807] }}{{ 'abc'[2:0:-9223372036854775807] }}") == "ac");
  // As deep a value as fits.
  CHECK(render(repeat("{%set x=[x]%}", 5000) + "{{ x }}").size() == 5000 * 2 + std::string("Undefined").size());

  Json deep = "bottom";  // Not much deeper than is refused: copying Json is recursive itself.
  for (int i = 0; i < 300; ++i) deep = Json::array({deep});
  CHECK_THROWS_AS(ChatTemplate("{{ messages }}").render({{"messages", deep}}), Error);
}

TEST_CASE("mutated templates render or are refused") {
  std::vector<std::string> sources;
  for (const auto& entry : std::filesystem::directory_iterator("runtime/text/testdata/templates"))
    sources.push_back(read_file(entry.path()));
  std::sort(sources.begin(), sources.end());
  REQUIRE(sources.size() >= 4);
  int rendered = 0;
  for (std::uint64_t seed = 0; seed < 6000; ++seed) {
    const std::string& source = sources[seed % sources.size()];
    try {
      ChatTemplate(model::mutate(source, source.size(), seed), {{"bos_token", "<s>"}}).render(kVariables);
      ++rendered;
    } catch (const Error&) {
    }
  }
  CHECK(rendered > 100);
}
