// One block chooses one token. Nothing is sorted: top-k, top-p and the choice itself each ask for the token at which a
// sum over the tokens in the order of their likelihood passes a limit, which selection by digits finds in a few passes
// (radix select). Sums are integers, so that no order of additions changes them.
#include "runtime/backend/cuda/sampling.hpp"

#include <bit>
#include <cmath>
#include <limits>

#include "runtime/backend/cuda/ptx/atomic.cuh"
#include "runtime/backend/cuda/ptx/kernel.cuh"
#include "runtime/backend/cuda/ptx/launch.cuh"
#include "runtime/backend/cuda/ptx/memory.cuh"
#include "runtime/backend/cuda/ptx/overlap.cuh"
#include "runtime/backend/cuda/ptx/warp.cuh"

namespace gpuinfer::backend::cuda {
namespace {

constexpr int kThreads = 1024;
constexpr int kWarps = kThreads / ptx::kWarpLanes;
/// A weight is at most 1, whose bits are fewer than 2^30: three digits.
constexpr int kDigitBits = 10;
constexpr int kDigits = 3;
constexpr int kBins = 1 << kDigitBits;
static_assert(kWarps == ptx::kWarpLanes && kBins == kThreads);  // A lane for each warp, a thread for each bin.
/// Units of a weight of 1: the sum of 2^18 weights has room to spare, and what is below a unit would never be drawn.
constexpr float kUnits = 0x1p44F;

/// What the threads of the block share.
struct Workspace {
  std::uint64_t* bins;  ///< [kBins]
  std::uint64_t* sums;  ///< [kWarps]
  float* logits;        ///< [kWarps]
  int* tokens;          ///< [kWarps]
};

/// A row of logits with what decides about their weights.
struct Row {
  const float* logits;
  const std::uint32_t* allowed;  ///< null: all are
  int vocab;
  float largest;
  float temperature;
  float min_p;

  GPU_DEVICE bool allows(int token) const {
    return allowed == nullptr || (allowed[token / 32] >> token % 32 & 1U) != 0;
  }

  /// The probability relative to the likeliest token's; 0 for what is no candidate.
  GPU_DEVICE float weight(float logit) const {
    const float weight = expf((logit - largest) / temperature);
    return weight > 0 && weight >= min_p ? weight : 0;
  }
};

/// Tokens [begin, end).
struct Range {
  int begin;
  int end;
};

/// Calls visit(token, logit) for the tokens of `range` that are the share of thread `thread` of `threads`: four
/// neighbours at a time. A token that is not allowed has the logit -∞.
template <typename Visit>
GPU_DEVICE void for_each_token(const Row& row, const Range& range, int thread, int threads, const Visit& visit) {
  const bool is_aligned = row.vocab % 4 == 0;
  for (int first = range.begin + 4 * thread; first < range.end; first += 4 * threads) {
    ptx::SixteenBytes<float> four;
    if (is_aligned) four = ptx::load_16_bytes<float>(row.logits + first);
    GPU_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int token = first + i;
      if (token >= range.end) break;
      const float logit = is_aligned ? four.values[i] : row.logits[token];
      visit(token, row.allows(token) ? logit : -INFINITY);
    }
  }
}

/// A place in the order of likelihood, the lower token first among equals, and whether a token comes before or at it.
struct Limit {
  std::uint32_t weight_bits = 0;
  int token = std::numeric_limits<int>::max();

  GPU_DEVICE bool holds(float weight, int at) const {
    const auto bits = std::bit_cast<std::uint32_t>(weight);
    return bits > weight_bits || (bits == weight_bits && at <= token);
  }
};

struct Count {
  GPU_DEVICE std::uint64_t operator()(float weight) const { return weight > 0 ? 1 : 0; }
};

struct Mass {
  GPU_DEVICE std::uint64_t operator()(float weight) const { return static_cast<std::uint64_t>(weight * kUnits); }
};

GPU_DEVICE std::uint64_t shuffle(std::uint64_t value, int lane) {
  const auto half = [&](std::uint64_t word) {
    return static_cast<std::uint32_t>(ptx::shuffle(static_cast<int>(static_cast<std::uint32_t>(word)), lane));
  };
  const std::uint64_t low = half(value);
  return low | std::uint64_t{half(value >> 32)} << 32;
}

/// The sum of the values of the lanes up to the own one.
GPU_DEVICE std::uint64_t sum_up_to_lane(std::uint64_t value) {
  const int lane = ptx::lane_index();
  for (int step = 1; step < ptx::kWarpLanes; step *= 2) {
    const std::uint64_t before = shuffle(value, lane < step ? 0 : lane - step);
    if (lane >= step) value += before;
  }
  return value;
}

GPU_DEVICE std::uint64_t warp_sum(std::uint64_t value) { return shuffle(sum_up_to_lane(value), ptx::kWarpLanes - 1); }

/// Where a sum over lanes passes a limit.
struct Passed {
  int lane;            ///< kWarpLanes: it does not
  std::uint64_t rest;  ///< of the limit, without what the lanes before summed up to; or all lanes
};

GPU_DEVICE Passed pass(std::uint64_t value, std::uint64_t limit) {
  const std::uint64_t sum = sum_up_to_lane(value);
  const int lane = ptx::count_bits(ptx::ballot(sum <= limit));
  const std::uint64_t before = shuffle(sum, lane == 0 ? 0 : lane - 1);
  return {.lane = lane, .rest = limit - (lane == 0 ? 0 : before)};
}

struct Best {
  float logit;
  int token;

  GPU_DEVICE bool is_better_than(const Best& other) const {
    return logit > other.logit || (logit == other.logit && token < other.token);
  }
};

/// The largest logit, the lowest token among equals; token 0 where there are but NaNs.
GPU_DEVICE Best find_best(const Row& row, const Workspace& shared) {
  Best best{.logit = -INFINITY, .token = row.vocab};
  const auto consider = [&](const Best& other) {
    if (other.is_better_than(best)) best = other;
  };
  for_each_token(row, {0, row.vocab}, ptx::thread_index(), kThreads, [&](int token, float logit) {
    consider({logit, token});
  });
  for (int step = ptx::kWarpLanes / 2; step > 0; step /= 2) {
    consider({ptx::shuffle_xor(best.logit, step), ptx::shuffle_xor(best.token, step)});
  }
  ptx::block_barrier();
  if (ptx::lane_index() == 0) {
    shared.logits[ptx::warp_index()] = best.logit;
    shared.tokens[ptx::warp_index()] = best.token;
  }
  ptx::block_barrier();
  for (int warp = 0; warp < kWarps; ++warp) consider({shared.logits[warp], shared.tokens[warp]});
  if (best.token == row.vocab) best.token = 0;
  return best;
}

/// In each lane the sum of the warp with its number, which tells its own.
GPU_DEVICE std::uint64_t exchange_sums(std::uint64_t sum, const Workspace& shared) {
  ptx::block_barrier();
  if (ptx::lane_index() == 0) shared.sums[ptx::warp_index()] = sum;
  ptx::block_barrier();
  return shared.sums[ptx::lane_index()];
}

/// The token at which the sum of value(token, logit), over tokens in the order of their ids, passes limit_of(total),
/// which is less than the total: each warp sums a part, and the part in which it happens is what is looked at next.
template <typename Value, typename LimitOf>
GPU_DEVICE int find_by_id(const Row& row, const Workspace& shared, const Value& value, const LimitOf& limit_of) {
  Range range{.begin = 0, .end = row.vocab};
  std::uint64_t rest = 0;
  for (bool is_first = true; is_first || range.end - range.begin > ptx::kWarpLanes; is_first = false) {
    const int part = ((range.end - range.begin - 1) / kThreads + 1) * ptx::kWarpLanes;
    const auto part_of = [&](int warp) -> Range {
      const int begin = range.begin + warp * part;
      return {.begin = begin, .end = begin + part < range.end ? begin + part : range.end};
    };
    std::uint64_t sum = 0;
    for_each_token(row, part_of(ptx::warp_index()), ptx::lane_index(), ptx::kWarpLanes,
                   [&](int token, float logit) { sum += value(token, logit); });
    const std::uint64_t sum_of_warp = exchange_sums(warp_sum(sum), shared);
    if (is_first) rest = limit_of(warp_sum(sum_of_warp));
    const Passed warp = pass(sum_of_warp, rest);
    range = part_of(warp.lane);
    rest = warp.rest;
  }
  const int token = range.begin + ptx::lane_index();
  const bool is_candidate = token < range.end && row.allows(token);
  return range.begin + pass(is_candidate ? value(token, row.logits[token]) : 0, rest).lane;
}

/// The same for the sum of measure(weight) over the candidates within `limit`, in the order of their likelihood.
template <typename Measure, typename LimitOf>
GPU_DEVICE Limit find_by_likelihood(const Row& row, const Workspace& shared, const Limit& limit, const Measure& measure,
                                    const LimitOf& limit_of) {
  std::uint32_t weight_bits = 0;
  std::uint64_t rest = 0;
  for (int digit = 0; digit < kDigits; ++digit) {
    const int shift = (kDigits - 1 - digit) * kDigitBits;
    ptx::block_barrier();
    shared.bins[ptx::thread_index()] = 0;
    ptx::block_barrier();
    for_each_token(row, {0, row.vocab}, ptx::thread_index(), kThreads, [&](int token, float logit) {
      const float weight = row.weight(logit);
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(weight) >> shift;
      if (weight > 0 && bits >> kDigitBits == weight_bits && limit.holds(weight, token)) {
        ptx::atomic_add(&shared.bins[bits % kBins], measure(weight));
      }
    });
    ptx::block_barrier();

    // The largest weights come first: which warp's share of the bins it is, and which of these.
    const auto bin_of = [](int warp, int lane) { return kBins - 1 - warp * ptx::kWarpLanes - lane; };
    const std::uint64_t share = warp_sum(shared.bins[bin_of(ptx::warp_index(), ptx::lane_index())]);
    const std::uint64_t share_of_warp = exchange_sums(share, shared);
    if (digit == 0) rest = limit_of(warp_sum(share_of_warp));
    const Passed warp = pass(share_of_warp, rest);
    const Passed lane = pass(shared.bins[bin_of(warp.lane, ptx::lane_index())], warp.rest);
    weight_bits = weight_bits << kDigitBits | static_cast<std::uint32_t>(bin_of(warp.lane, lane.lane));
    rest = lane.rest;
  }
  const auto equal = [&](int token, float logit) -> std::uint64_t {
    const float weight = row.weight(logit);
    const bool is_one = std::bit_cast<std::uint32_t>(weight) == weight_bits && limit.holds(weight, token);
    return is_one ? measure(weight) : 0;
  };
  return {.weight_bits = weight_bits, .token = find_by_id(row, shared, equal, [&](std::uint64_t) { return rest; })};
}

/// Which token comes: of the candidates in the order of likelihood where some were cut off, else in that of their ids.
GPU_DEVICE int choose(const Row& row, const Workspace& shared, const SampledRow& params) {
  Limit kept;
  bool is_cut = params.top_p < 1;
  if (params.top_k > 0) {
    kept = find_by_likelihood(row, shared, kept, Count(), [&](std::uint64_t candidates) {
      const auto top_k = static_cast<std::uint64_t>(params.top_k);
      if (top_k < candidates) is_cut = true;
      return (top_k < candidates ? top_k : candidates) - 1;
    });
  }
  if (params.top_p < 1) {
    kept = find_by_likelihood(row, shared, kept, Mass(), [&](std::uint64_t total) {
      const auto wanted =
          static_cast<std::uint64_t>(ceil(static_cast<double>(params.top_p) * static_cast<double>(total)));
      return wanted == 0 ? 0 : (wanted < total ? wanted : total) - 1;
    });
  }
  const auto drawn = [&](std::uint64_t total) {
    const auto limit = static_cast<std::uint64_t>(params.number * static_cast<double>(total));
    return limit < total ? limit : total - 1;
  };
  if (is_cut) return find_by_likelihood(row, shared, kept, Mass(), drawn).token;
  return find_by_id(
      row, shared, [&](int, float logit) { return Mass()(row.weight(logit)); }, drawn);
}

GPU_DEVICE float edited(float logit, const LogitEdit& edit, const SampledRow& params) {
  if (edit.forbidden) return -INFINITY;
  logit += edit.bias;
  if (edit.seen) logit = logit > 0 ? logit / params.repetition_penalty : logit * params.repetition_penalty;
  if (edit.answered > 0) {
    logit -= params.presence_penalty + static_cast<float>(edit.answered) * params.frequency_penalty;
  }
  return logit;
}

// budget: 64 registers, 8704 shared bytes
GPU_KERNEL(kThreads) sample_kernel(const Sampling step) {
  ptx::wait_for_previous_launch();
  GPU_SHARED(std::uint64_t, bins, kBins);
  GPU_SHARED(std::uint64_t, sums, kWarps);
  GPU_SHARED(float, best_logits, kWarps);
  GPU_SHARED(int, best_tokens, kWarps);
  const Workspace shared{.bins = bins, .sums = sums, .logits = best_logits, .tokens = best_tokens};
  const SampledRow params = step.rows[ptx::block_x()];
  float* const logits = step.logits + ptx::block_x() * step.vocab;
  const auto for_each_edit = [&](const auto& visit) {
    for (int i = ptx::thread_index(); i < params.edits; i += kThreads) {
      const LogitEdit edit = step.edits[params.first_edit + i];
      if (edit.token >= 0 && edit.token < step.vocab)
        visit(edit, logits[edit.token], step.unedited[params.first_edit + i]);
    }
    ptx::block_barrier();
  };

  float normalizer = 0;
  Row row{.logits = logits,
          .allowed = nullptr,
          .vocab = static_cast<int>(step.vocab),
          .largest = 0,
          .temperature = 1,
          .min_p = 0};
  if (step.logprobs != nullptr) {
    row.largest = find_best(row, shared).logit;
    std::uint64_t sum = 0;
    for_each_token(row, {0, row.vocab}, ptx::thread_index(), kThreads,
                   [&](int, float logit) { sum += Mass()(row.weight(logit)); });
    const std::uint64_t total = warp_sum(exchange_sums(warp_sum(sum), shared));
    normalizer = row.largest + logf(static_cast<float>(total) / kUnits);
  }

  ptx::block_barrier();
  for_each_edit([&](const LogitEdit& edit, float& logit, float& unedited) {
    unedited = logit;
    logit = edited(logit, edit, params);
  });
  if (params.allowed != SampledRow::kAllAllowed) row.allowed = step.allowed + params.allowed;
  const Best best = find_best(row, shared);
  row.largest = best.logit;
  row.temperature = params.temperature;
  row.min_p = fminf(params.min_p, 1);  // The best token is always a candidate.
  const bool is_greedy = !(params.temperature > 0) || !(fabsf(best.logit) < INFINITY);
  const int token = is_greedy ? best.token : choose(row, shared, params);

  ptx::block_barrier();
  for_each_edit([](const LogitEdit&, float& logit, const float& unedited) { logit = unedited; });
  if (ptx::thread_index() > 0) return;
  step.tokens[ptx::block_x()] = token;
  if (step.logprobs != nullptr) step.logprobs[ptx::block_x()] = logits[token] - normalizer;
}

}  // namespace

void sample(const Sampling& step, Stream stream) {
  ptx::launch("sample", sample_kernel, {.x = step.row_count, .threads = kThreads}, stream, step);
}

}  // namespace gpuinfer::backend::cuda
