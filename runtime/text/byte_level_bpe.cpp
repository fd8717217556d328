#include "runtime/text/byte_level_bpe.hpp"

#include <cstdint>

namespace gpuinfer::text {

ByteLevelBpe::ByteLevelBpe(const std::vector<std::string>& tokens, const BpeSpec& bpe)
    : merges_(bpe.merges), whole_pieces_(tokens, bpe.ignore_merges) {
  byte_tokens_.fill(kNoToken);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].size() == 1) byte_tokens_[static_cast<std::uint8_t>(tokens[i][0])] = static_cast<TokenId>(i);
  }
}

void ByteLevelBpe::encode(std::string_view piece, std::vector<TokenId>& ids) const {
  whole_pieces_.encode(piece, ids, [this](std::string_view text, std::vector<TokenId>& out) { merge(text, out); });
}

void ByteLevelBpe::merge(std::string_view piece, std::vector<TokenId>& ids) const {
  const std::size_t begin = ids.size();
  for (const char byte : piece) {
    const TokenId token = byte_tokens_[static_cast<std::uint8_t>(byte)];
    if (token != kNoToken) ids.push_back(token);
  }
  merges_.apply(ids, begin);
}

}  // namespace gpuinfer::text
