#include "runtime/backend/cuda/step.hpp"

#include <algorithm>

namespace gpuinfer::backend::cuda {
namespace {

/// Tokens [begin, end) of `slice`.
Slice part_of(const Slice& slice, std::int64_t begin, std::int64_t end) {
  Slice part = slice;
  part.tokens = slice.tokens.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  part.position += begin;
  if (end < std::ssize(slice.tokens) && slice.logits == Logits::kLast) part.logits = Logits::kNone;
  return part;
}

std::int64_t pages_of(const Slice& slice) { return pages_for(slice.position + std::ssize(slice.tokens)); }

/// What all groups share, on the host.
struct Tokens {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> positions;
  std::vector<AttentionSlice> slices;
  std::vector<std::int32_t> with_logits;

  explicit Tokens(std::span<const Slice> batch) {
    std::int64_t page_table = 0;
    for (const Slice& slice : batch) {
      slices.push_back({.first_token = static_cast<std::int32_t>(ids.size()),
                        .tokens = static_cast<std::int32_t>(slice.tokens.size()),
                        .position = static_cast<std::int32_t>(slice.position),
                        .page_table = static_cast<std::int32_t>(page_table)});
      page_table += pages_of(slice);
      for (std::size_t i = 0; i < slice.tokens.size(); ++i) {
        const bool last = i + 1 == slice.tokens.size();
        if (slice.logits == Logits::kAll || (slice.logits == Logits::kLast && last)) {
          with_logits.push_back(static_cast<std::int32_t>(ids.size()));
        }
        ids.push_back(slice.tokens[i]);
        positions.push_back(static_cast<std::int32_t>(slice.position) + static_cast<std::int32_t>(i));
      }
    }
  }
};

struct GroupPlaces {
  StepInputs::Place<std::int32_t> slots;
  StepInputs::Place<std::int32_t> page_tables;
  StepInputs::Place<AttentionTile> tiles;
  StepInputs::Place<AttentionTile> merges;
};

GroupPlaces add_group(std::span<const Slice> batch, std::size_t group, const AttentionPlan& plan, StepInputs& inputs) {
  std::vector<std::int32_t> slots;
  std::vector<std::int32_t> page_tables;
  for (const Slice& slice : batch) {
    const PageTable table = slice.page_tables[group];
    for (std::size_t i = 0; i < slice.tokens.size(); ++i) {
      const std::int64_t position = slice.position + static_cast<std::int64_t>(i);
      slots.push_back(table[static_cast<std::size_t>(position / kPageTokens)] * static_cast<std::int32_t>(kPageTokens) +
                      static_cast<std::int32_t>(position % kPageTokens));
    }
    page_tables.insert(page_tables.end(), table.begin(), table.begin() + pages_of(slice));
  }
  return {.slots = inputs.add<std::int32_t>(slots),
          .page_tables = inputs.add<std::int32_t>(page_tables),
          .tiles = inputs.add<AttentionTile>(plan.tiles),
          .merges = inputs.add<AttentionTile>(plan.merges)};
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

Step make_step(std::span<const Slice> slices, std::span<const KvGroup> groups, const AttentionHeads& heads,
               const AttentionResources& resources, StepInputs& inputs, Queue& queue) {
  const Tokens tokens(slices);
  inputs.clear();
  const auto ids = inputs.add<std::int32_t>(tokens.ids);
  const auto positions = inputs.add<std::int32_t>(tokens.positions);
  const auto described = inputs.add<AttentionSlice>(tokens.slices);
  const auto with_logits = inputs.add<std::int32_t>(tokens.with_logits);
  std::vector<GroupPlaces> places;
  for (std::size_t group = 0; group < groups.size(); ++group) {
    AttentionHeads of_group = heads;
    of_group.window = groups[group].sliding_window.value_or(0);
    places.push_back(add_group(slices, group, plan_attention(tokens.slices, of_group, resources), inputs));
  }
  inputs.upload(queue);

  Step step{.tokens = ids.count,
            .ids = inputs.address(ids),
            .positions = inputs.address(positions),
            .slices = inputs.address(described),
            .logits_tokens = inputs.address(with_logits),
            .logits_rows = with_logits.count};
  for (const GroupPlaces& group : places) {
    step.groups.push_back({.slots = inputs.address(group.slots),
                           .page_tables = inputs.address(group.page_tables),
                           .tiles = inputs.address(group.tiles),
                           .merges = inputs.address(group.merges),
                           .tile_count = group.tiles.count,
                           .merge_count = group.merges.count});
  }
  return step;
}

}  // namespace gpuinfer::backend::cuda
