// Finds added tokens in text: the first thing that a tokenizer does.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "runtime/text/tokenizer_spec.hpp"
#include "runtime/text/trie.hpp"

namespace gpuinfer::text {

/// The leftmost longest matches of a set of tokens, with Hugging Face's flags
/// (tokenizers/src/tokenizer/added_vocabulary.rs). Immutable.
class AddedTokens {
 public:
  /// Part of a text: a token, or ordinary text where `token` is null.
  struct Part {
    const AddedToken* token;
    std::string_view text;
  };

  /// Whether the text from byte `begin` up to `end` may be this token.
  using MayBe = std::function<bool(const AddedToken& token, std::size_t begin, std::size_t end)>;

  explicit AddedTokens(std::vector<AddedToken> tokens);

  /// Cuts `text` (valid UTF-8) at the tokens that `may_be` allows. A token that is not allowed is ordinary text, in
  /// which allowed ones are found.
  std::vector<Part> split(std::string_view text, const MayBe& may_be) const;

 private:
  /// The longest allowed token that begins at `begin`.
  const AddedToken* longest_at(std::string_view text, std::size_t begin, const MayBe& may_be) const;

  std::vector<AddedToken> tokens_;
  /// Of indices into tokens_.
  Trie trie_;
  std::array<bool, 256> begins_token_{};
};

}  // namespace gpuinfer::text
