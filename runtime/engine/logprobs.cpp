#include "runtime/engine/logprobs.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace gpuinfer::engine {

Logprobs logprobs_of(std::span<const float> logits, TokenId token, std::int64_t top) {
  const float largest = std::ranges::max(logits);
  double total = 0;
  for (const float logit : logits) total += static_cast<double>(std::exp(logit - largest));
  const double normalizer = static_cast<double>(largest) + std::log(total);
  const auto entry = [&](TokenId id) {
    const float logit = logits[static_cast<std::size_t>(id)];
    return TokenLogprob{.id = id,
                        .logprob = static_cast<float>(static_cast<double>(logit) - normalizer),
                        .rank = 1 + std::ranges::count_if(logits, [logit](float other) { return other > logit; })};
  };

  Logprobs result{.token = entry(token)};
  if (top == 0) return result;
  std::vector<TokenId> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto end = ids.begin() + std::min<std::int64_t>(top, std::ssize(ids));
  std::ranges::partial_sort(ids, end, [&](TokenId a, TokenId b) {
    const float first = logits[static_cast<std::size_t>(a)];
    const float second = logits[static_cast<std::size_t>(b)];
    return first != second ? first > second : a < b;
  });
  for (auto id = ids.begin(); id != end; ++id) result.top.push_back(entry(*id));
  return result;
}

}  // namespace gpuinfer::engine
