// Fuzz target: a tokenizer.json. What can be read encodes and decodes any text, in pieces as well as whole.
#include "runtime/text/tokenizer_json.hpp"

#include "runtime/text/detokenizer.hpp"
#include "runtime/text/tokenizer.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/json_mutator.hpp"

using namespace gpuinfer;

namespace {

constexpr std::string_view kText =
    "hello he llo 12\n\t caf\u00E9 e\u0301 \u65E5\u672C \u2581<tool><|begin|> \U0001F389'll\r\n";

void encode_and_decode(const text::Tokenizer& tokenizer, std::optional<TokenId> unknown, text::Origin origin) {
  const std::vector<TokenId> ids = tokenizer.encode(kText, origin);
  text::Detokenizer detokenizer(tokenizer, text::SpecialTokens::kKeep);
  std::string stream;
  for (const TokenId id : ids) {
    fuzz::promise(origin == text::Origin::kTemplate || id == unknown || !tokenizer.is_special(id),
                  "no text of a user is a special token");
    stream += detokenizer.add(id);
  }
  stream += detokenizer.finish();
  const std::string whole = tokenizer.decode(ids, text::SpecialTokens::kKeep);
  fuzz::promise(stream == whole || stream == " " + whole, "a stream adds up to the whole", stream + "\n" + whole);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::accept_error([&] {
    const text::TokenizerSpec spec = text::parse_tokenizer_json(fuzz::text_of(data, size), "tokenizer.json");
    const text::Tokenizer tokenizer(spec);
    encode_and_decode(tokenizer, spec.unknown, text::Origin::kUser);
    encode_and_decode(tokenizer, spec.unknown, text::Origin::kTemplate);
  });
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  return fuzz::mutate_json(data, size, max_size, seed);
}
