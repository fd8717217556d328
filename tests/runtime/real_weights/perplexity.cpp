// Pieces, halves and logarithms.
#include "perplexity.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "sequence.hpp"

namespace gpuinfer::backend {
namespace {

double negative_log_likelihood(std::span<const float> logits, TokenId token) {
  const auto largest = static_cast<double>(*std::ranges::max_element(logits));
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit) - largest);
  return std::log(total) + largest - static_cast<double>(logits[static_cast<std::size_t>(token)]);
}

/// Of the tokens behind `first`, each predicted at the position before it.
double sum_of_second_half(Backend& backend, std::span<const TokenId> piece, std::size_t first) {
  Sequence sequence(static_cast<std::int64_t>(piece.size()) / kPageTokens + 1);
  const Slice beginning = sequence.next(piece.first(first), Logits::kNone);
  backend.forward(std::span(&beginning, 1), {}, {});

  const auto vocab = static_cast<std::size_t>(backend.vocab_size());
  constexpr std::size_t kChunk = 64;  // bounds the memory for logits
  std::vector<float> logits;
  double sum = 0;
  for (std::size_t begin = first; begin + 1 < piece.size(); begin += kChunk) {
    const auto part = piece.subspan(begin, std::min(kChunk, piece.size() - 1 - begin));
    logits.resize(part.size() * vocab);
    const Slice slice = sequence.next(part, Logits::kAll);
    backend.forward(std::span(&slice, 1), logits, {});
    for (std::size_t i = 0; i < part.size(); ++i) {
      sum += negative_log_likelihood(std::span(logits).subspan(i * vocab, vocab), piece[begin + i + 1]);
    }
  }
  return sum;
}

}  // namespace

Perplexity measure_perplexity(Backend& backend, std::span<const TokenId> ids, std::size_t context,
                              std::optional<TokenId> bos) {
  Perplexity result;
  double sum = 0;
  for (std::size_t begin = 0; begin + context <= ids.size(); begin += context) {
    const auto piece = ids.subspan(begin, context);
    std::vector<TokenId> tokens(piece.begin(), piece.end());
    if (bos) tokens.front() = *bos;
    sum += sum_of_second_half(backend, tokens, context / 2);
    result.tokens += static_cast<std::int64_t>(context - context / 2 - 1);
  }
  result.value = std::exp(sum / static_cast<double>(result.tokens));
  return result;
}

}  // namespace gpuinfer::backend
