#include "runtime/engine/kv_cache.hpp"

#include <algorithm>

namespace gpuinfer::engine {

using backend::kNoPage;
using backend::kPageTokens;

KvCache::KvCache(const std::vector<backend::KvGroup>& groups, bool reuse_prefixes)
    : groups_(groups), reuse_prefixes_(reuse_prefixes) {
  for (const backend::KvGroup& group : groups) pools_.emplace_back(group.pages);
}

std::int64_t KvCache::held() const {
  std::int64_t pages = 0;
  for (const PagePool& pool : pools_) pages += pool.held();
  return pages;
}

double KvCache::usage() const {
  double fullest = 0;
  for (const PagePool& pool : pools_) {
    fullest = std::max(fullest, static_cast<double>(pool.held()) / static_cast<double>(pool.size()));
  }
  return fullest;
}

bool KvCache::can_hold(std::int64_t tokens, std::int64_t slice_tokens) const {
  return std::ranges::all_of(groups_, [&](const backend::KvGroup& group) {
    // What the window reaches from a slice's first token need not begin with a page.
    const std::int64_t reached =
        group.sliding_window ? pages_for(*group.sliding_window + slice_tokens) + 1 : pages_for(tokens);
    return std::min(reached, pages_for(tokens)) <= group.pages;
  });
}

bool KvCache::has_room(const Sequence& candidate, std::span<Sequence* const> running) const {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    std::int64_t wanted = missing_pages(candidate, g);
    for (const Sequence* sequence : running) wanted += missing_pages(*sequence, g) + 1;
    if (wanted > pools_[g].available()) return false;
  }
  return true;
}

/// Pages that the sequence's present tokens still need.
std::int64_t KvCache::missing_pages(const Sequence& sequence, std::size_t group) const {
  std::int64_t pages = pages_for(sequence.length());
  std::int64_t held = 0;
  if (!sequence.page_tables.empty()) {
    const std::vector<std::int32_t>& table = sequence.page_tables[group];
    held = std::ssize(table) - std::ranges::count(table, kNoPage);
  }
  if (const auto window = groups_[group].sliding_window) pages = std::min(pages, pages_for(*window) + 1);
  return std::max<std::int64_t>(0, pages - held);
}

/// The first block that the query at `position` reads.
std::int64_t KvCache::first_visible_block(std::size_t group, std::int64_t position) const {
  const auto window = groups_[group].sliding_window;
  return window ? std::max<std::int64_t>(0, position + 1 - *window) / kPageTokens : 0;
}

void KvCache::reuse(Sequence& sequence) {
  if (!reuse_prefixes_ || !sequence.reuse_prefix || sequence.computed % kPageTokens != 0) return;
  const std::int64_t blocks = reusable_blocks(sequence);
  const std::int64_t first = sequence.computed / kPageTokens;
  if (blocks == first) return;
  sequence.page_tables.resize(groups_.size());
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const std::int64_t visible = first_visible_block(g, blocks * kPageTokens);
    for (std::int64_t block = first; block < blocks; ++block) {
      const bool shared = block >= visible;
      const std::int32_t page = shared ? *pools_[g].find(sequence.hashes.at(block, sequence.tokens)) : kNoPage;
      if (shared) pools_[g].share(page);
      sequence.page_tables[g].push_back(page);
    }
  }
  sequence.reused_tokens += (blocks - first) * kPageTokens;
  sequence.computed = blocks * kPageTokens;
  sequence.remembered_blocks = blocks;
  for (std::size_t g = 0; g < groups_.size(); ++g) release_behind_window(sequence, g);
}

/// How many of its first blocks the sequence could have in its pages without computing anything. Layers that see every
/// position need all of them, layers with a window only what the next token sees.
std::int64_t KvCache::reusable_blocks(Sequence& sequence) const {
  const std::int64_t first = sequence.computed / kPageTokens;
  const std::int64_t limit = (std::ssize(sequence.tokens) - 1) / kPageTokens;
  std::vector<std::int64_t> run_begins;  // For each group: from here on every block is there.
  for (std::size_t g = 0; g < groups_.size(); ++g) run_begins.push_back(first_visible_block(g, sequence.computed));
  std::int64_t best = first;
  for (std::int64_t block = first; block < limit; ++block) {
    const BlockHash& hash = sequence.hashes.at(block, sequence.tokens);
    bool usable = true;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const bool found = pools_[g].find(hash).has_value();
      if (!found && !groups_[g].sliding_window) return best;
      if (!found) run_begins[g] = block + 1;
      usable = usable && run_begins[g] <= first_visible_block(g, (block + 1) * kPageTokens);
    }
    if (usable) best = block + 1;
  }
  return best;
}

bool KvCache::reserve(Sequence& sequence, std::int64_t tokens) {
  sequence.page_tables.resize(groups_.size());
  const std::int64_t pages = pages_for(sequence.computed + tokens);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    if (pages - std::ssize(sequence.page_tables[g]) > pools_[g].available()) return false;
  }
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    while (std::ssize(sequence.page_tables[g]) < pages) sequence.page_tables[g].push_back(pools_[g].allocate());
  }
  return true;
}

void KvCache::advance(Sequence& sequence, std::int64_t tokens) {
  sequence.computed += tokens;
  remember_whole_blocks(sequence);
  for (std::size_t g = 0; g < groups_.size(); ++g) release_behind_window(sequence, g);
}

/// Those whose tokens are known. A block that ends with a promised token comes a step later.
void KvCache::remember_whole_blocks(Sequence& sequence) {
  if (!reuse_prefixes_) return;
  const std::int64_t whole = std::min(sequence.computed, std::ssize(sequence.tokens)) / kPageTokens;
  for (; sequence.remembered_blocks < whole; ++sequence.remembered_blocks) {
    const BlockHash& hash = sequence.hashes.at(sequence.remembered_blocks, sequence.tokens);
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const std::int32_t page = sequence.page_tables[g][static_cast<std::size_t>(sequence.remembered_blocks)];
      if (page != kNoPage) pools_[g].remember(page, hash);
    }
  }
}

void KvCache::release_behind_window(Sequence& sequence, std::size_t group) {
  std::vector<std::int32_t>& table = sequence.page_tables[group];
  for (auto block = first_visible_block(group, sequence.computed) - 1; block >= 0; --block) {
    std::int32_t& page = table[static_cast<std::size_t>(block)];
    if (page == kNoPage) return;  // And so all before it.
    pools_[group].release(page);
    page = kNoPage;
  }
}

void KvCache::release(Sequence& sequence) {
  remember_whole_blocks(sequence);
  for (std::size_t g = 0; g < sequence.page_tables.size(); ++g) {
    // Backwards, so that the end of a sequence is forgotten first: without its beginning it is of no use.
    for (auto page = sequence.page_tables[g].rbegin(); page != sequence.page_tables[g].rend(); ++page) {
      if (*page != kNoPage) pools_[g].release(*page);
    }
  }
  sequence.page_tables.clear();
  sequence.computed = 0;
  sequence.remembered_blocks = 0;
  sequence.reused_tokens = 0;
}

void KvCache::forget() {
  for (PagePool& pool : pools_) pool.forget();
}

}  // namespace gpuinfer::engine
