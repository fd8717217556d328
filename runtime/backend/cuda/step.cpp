#include "runtime/backend/cuda/step.hpp"

#include <algorithm>
#include <bit>

#include "runtime/backend/cuda/embedding.hpp"

namespace gpuinfer::backend::cuda {
namespace {

/// Tokens [begin, end) of `slice`.
Slice part_of(const Slice& slice, std::int64_t begin, std::int64_t end) {
  Slice part = slice;
  part.tokens = slice.tokens.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  part.position += begin;
  if (end < std::ssize(slice.tokens) && slice.logits == Logits::kLast) part.logits = Logits::kNone;
  if (end < std::ssize(slice.tokens)) part.sampling = nullptr;
  return part;
}

std::int64_t pages_of(const Slice& slice) { return pages_for(slice.position + std::ssize(slice.tokens)); }

bool is_decode(std::span<const Slice> batch) {
  return std::ssize(batch) <= kDecodeTokens &&
         std::ranges::all_of(batch, [](const Slice& slice) { return slice.tokens.size() == 1; });
}

/// What all groups share, on the host.
struct Tokens {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> positions;
  std::vector<AttentionSlice> slices;  ///< with page tables one after the other
  std::vector<std::int32_t> with_logits;
  std::vector<LogitsRow> rows;  ///< of these
  std::int64_t pages = 0;       ///< in all page tables of a group

  explicit Tokens(std::span<const Slice> batch) {
    for (const Slice& slice : batch) {
      slices.push_back({.first_token = static_cast<std::int32_t>(ids.size()),
                        .tokens = static_cast<std::int32_t>(slice.tokens.size()),
                        .position = static_cast<std::int32_t>(slice.position),
                        .page_table = static_cast<std::int32_t>(pages)});
      pages += pages_of(slice);
      for (std::size_t i = 0; i < slice.tokens.size(); ++i) {
        const bool last = i + 1 == slice.tokens.size();
        const bool wanted = slice.logits == Logits::kAll || (slice.logits == Logits::kLast && last);
        const TokenSampling* const sampling = last ? slice.sampling : nullptr;
        if (wanted || sampling != nullptr) {
          with_logits.push_back(static_cast<std::int32_t>(ids.size()));
          rows.push_back({.wanted = wanted, .sampling = sampling});
        }
        ids.push_back(slice.follows ? chosen_id(*slice.follows) : slice.tokens[i]);
        positions.push_back(static_cast<std::int32_t>(slice.position) + static_cast<std::int32_t>(i));
      }
    }
  }
};

/// With tiles that do nothing, so that there are few different numbers of them.
std::vector<AttentionTile> padded(std::vector<AttentionTile> tiles) {
  if (!tiles.empty()) tiles.resize(std::bit_ceil(tiles.size()));
  return tiles;
}

AttentionPlan padded(AttentionPlan plan) {
  plan.tiles = padded(std::move(plan.tiles));
  plan.merges = padded(std::move(plan.merges));
  return plan;
}

struct GroupPlaces {
  StepInputs::Place<std::int32_t> slots;
  StepInputs::Place<AttentionSlice> slices;
  StepInputs::Place<AttentionTile> tiles;
  StepInputs::Place<AttentionTile> merges;
};

/// `page_tables` is where those of the group begin among those of all groups.
GroupPlaces add_group(std::span<const Slice> batch, std::size_t group, const Tokens& tokens, std::int64_t page_tables,
                      const AttentionPlan& plan, StepInputs& inputs) {
  std::vector<std::int32_t> slots;
  for (const Slice& slice : batch) {
    const PageTable table = slice.page_tables[group];
    for (std::size_t i = 0; i < slice.tokens.size(); ++i) {
      const std::int64_t position = slice.position + static_cast<std::int64_t>(i);
      slots.push_back(table[static_cast<std::size_t>(position / kPageTokens)] * static_cast<std::int32_t>(kPageTokens) +
                      static_cast<std::int32_t>(position % kPageTokens));
    }
  }
  std::vector<AttentionSlice> slices = tokens.slices;
  for (AttentionSlice& slice : slices) slice.page_table += static_cast<std::int32_t>(page_tables);
  return {.slots = inputs.add<std::int32_t>(slots),
          .slices = inputs.add<AttentionSlice>(slices),
          .tiles = inputs.add<AttentionTile>(plan.tiles),
          .merges = inputs.add<AttentionTile>(plan.merges)};
}

std::vector<std::int32_t> page_tables_of(std::span<const Slice> batch, std::size_t groups) {
  std::vector<std::int32_t> page_tables;
  for (std::size_t group = 0; group < groups; ++group) {
    for (const Slice& slice : batch) {
      const PageTable table = slice.page_tables[group].first(static_cast<std::size_t>(pages_of(slice)));
      page_tables.insert(page_tables.end(), table.begin(), table.end());
    }
  }
  return page_tables;
}

}  // namespace

std::vector<std::vector<Slice>> cut_batch(std::span<const Slice> batch, std::int64_t tokens) {
  std::vector<std::vector<Slice>> portions;
  std::int64_t room = 0;
  for (const Slice& slice : batch) {
    for (std::int64_t begin = 0, end = 0; begin < std::ssize(slice.tokens); begin = end) {
      if (room == 0) {
        portions.emplace_back();
        room = tokens;
      }
      end = std::min(begin + room, std::ssize(slice.tokens));
      portions.back().push_back(part_of(slice, begin, end));
      room -= end - begin;
    }
  }
  return portions;
}

std::vector<Slice> with_known_tokens(std::span<const Slice> batch, std::span<const SampledToken> chosen,
                                     std::span<TokenId> tokens) {
  std::vector<Slice> known(batch.begin(), batch.end());
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (!known[i].follows) continue;
    tokens[i] = std::max(0, chosen[*known[i].follows].id);
    known[i].tokens = tokens.subspan(i, 1);
    known[i].follows.reset();
  }
  return known;
}

Step make_step(std::span<const Slice> slices, std::span<const KvGroup> groups, const AttentionHeads& heads,
               const AttentionResources& resources, StepInputs& inputs, Queue& queue) {
  const Tokens tokens(slices);
  const bool decodes = is_decode(slices);
  inputs.clear();
  const auto ids = inputs.add<std::int32_t>(tokens.ids);
  const auto positions = inputs.add<std::int32_t>(tokens.positions);
  std::vector<GroupPlaces> places;
  for (std::size_t group = 0; group < groups.size(); ++group) {
    AttentionHeads of_group = heads;
    of_group.window = groups[group].sliding_window.value_or(0);
    const AttentionPlan plan = plan_attention(tokens.slices, of_group, resources);
    const std::int64_t page_tables = static_cast<std::int64_t>(group) * tokens.pages;
    places.push_back(add_group(slices, group, tokens, page_tables, decodes ? padded(plan) : plan, inputs));
  }
  // What grows with every token comes last: the addresses above depend on the step's shape alone.
  const auto page_tables = inputs.add<std::int32_t>(page_tables_of(slices, groups.size()));
  const auto with_logits = inputs.add<std::int32_t>(tokens.with_logits);
  inputs.upload(queue);

  Step step{.tokens = ids.count,
            .ids = inputs.address(ids),
            .positions = inputs.address(positions),
            .page_tables = inputs.address(page_tables),
            .logits_tokens = inputs.address(with_logits),
            .logits_rows = with_logits.count,
            .rows = tokens.rows};
  StepShape shape{.tokens = step.tokens, .inputs = inputs.address(StepInputs::Place<std::byte>())};
  for (const GroupPlaces& group : places) {
    step.groups.push_back({.slices = inputs.address(group.slices),
                           .slots = inputs.address(group.slots),
                           .tiles = inputs.address(group.tiles),
                           .merges = inputs.address(group.merges),
                           .tile_count = group.tiles.count,
                           .merge_count = group.merges.count});
    shape.tiles.push_back(group.tiles.count);
    shape.merges.push_back(group.merges.count);
  }
  if (decodes) step.shape = std::move(shape);
  return step;
}

}  // namespace gpuinfer::backend::cuda
