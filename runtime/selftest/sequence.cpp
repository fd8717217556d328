#include "runtime/selftest/sequence.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "runtime/selftest/random_numbers.hpp"

namespace gpuinfer::selftest {

Pages::Pages(std::int64_t count, std::uint64_t seed) : left_(static_cast<std::size_t>(count)) {
  std::iota(left_.begin(), left_.end(), 0);
  RandomNumbers random(seed);
  for (std::size_t i = left_.size(); i > 1; --i) std::swap(left_[i - 1], left_[random.below(i)]);
}

std::int32_t Pages::take() {
  if (left_.empty()) throw std::logic_error("a self-test has planned too few pages");
  const std::int32_t page = left_.back();
  left_.pop_back();
  return page;
}

Sequence::Sequence(const backend::Backend& backend, std::int64_t tokens, Pages& pages) : groups_(backend.kv_groups()) {
  std::vector<std::int32_t> table(static_cast<std::size_t>(backend::pages_for(tokens)));
  std::ranges::generate(table, [&] { return pages.take(); });
  tables_.assign(groups_.size(), table);
}

backend::Slice Sequence::next(std::span<const TokenId> tokens, backend::Logits logits) {
  views_.clear();
  for (std::size_t group = 0; group < groups_.size(); ++group) {
    const std::int64_t first = position_ + 1 - groups_[group].sliding_window.value_or(position_ + 1);
    const std::int64_t unused = std::max<std::int64_t>(0, first) / backend::kPageTokens;
    std::fill_n(tables_[group].begin(), unused, backend::kNoPage);
    views_.emplace_back(tables_[group]);
  }
  const backend::Slice slice{.tokens = tokens, .position = position_, .page_tables = views_, .logits = logits};
  position_ += std::ssize(tokens);
  return slice;
}

}  // namespace gpuinfer::selftest
