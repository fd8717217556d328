#include "runtime/selftest/case_run.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <exception>
#include <limits>

#include "runtime/backend/kv_groups.hpp"
#include "runtime/selftest/generation.hpp"
#include "runtime/selftest/random_numbers.hpp"
#include "runtime/selftest/sequence.hpp"

namespace gpuinfer::selftest {
namespace {

using backend::Logits;
using backend::Slice;

constexpr std::uint64_t kSeed = 6;

/// A CUDA graph is recorded when a shape of step comes for the second time; the later ones are launched. Contexts that
/// cross a page's end on the way have their page tables grow.
constexpr std::int64_t kDecodeSteps = 20;
constexpr std::int64_t kBatchSteps = 4;

/// Chunks of a prompt, in turn.
constexpr std::int64_t kChunks[] = {1, 7, 16, 63, 300};

std::vector<TokenId> random_tokens(std::int64_t count, std::int64_t vocab) {
  RandomNumbers random(kSeed + 1);
  std::vector<TokenId> tokens(static_cast<std::size_t>(count));
  for (TokenId& token : tokens) token = static_cast<TokenId>(random.below(static_cast<std::uint64_t>(vocab)));
  return tokens;
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", value);
  return text;
}

/// |actual - expected| / |expected|; infinite where one has something that is no number.
double relative_error(std::span<const float> actual, std::span<const float> expected) {
  double difference = 0;
  double total = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto should_be = static_cast<double>(expected[i]);
    difference += std::pow(static_cast<double>(actual[i]) - should_be, 2);
    total += should_be * should_be;
  }
  const double error = std::sqrt(difference / total);
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

/// Of rows of `columns` numbers.
double median_error(std::span<const float> actual, std::span<const float> expected, std::size_t columns) {
  std::vector<double> errors;
  for (std::size_t begin = 0; begin < expected.size(); begin += columns) {
    errors.push_back(relative_error(actual.subspan(begin, columns), expected.subspan(begin, columns)));
  }
  const auto middle = errors.begin() + std::ssize(errors) / 2;
  std::ranges::nth_element(errors, middle);
  return *middle;
}

/// How many tokens of sequence `index` of `count` are in its first step.
std::int64_t prompt_length(std::int64_t index, std::int64_t count, std::int64_t longest) {
  return 1 + (longest - 1) * index / std::max<std::int64_t>(1, count - 1);
}

class Run {
 public:
  Run(const Case& one, const Expectation& expected, const Limits& limits,
      const std::function<void(const Outcome&)>& report)
      : case_(one), expected_(expected), limits_(limits), report_(report) {}

  void run(const MakeBackend& make_backend) {
    const std::unique_ptr<backend::Backend> backend = make_backend(expected_.model, pages_needed());
    backend_ = backend.get();
    row_ = static_cast<std::size_t>(backend_->vocab_size());
    compute_prompt();
    compute_in_chunks();
    for (const std::int64_t size : case_.batch_sizes) compute_in_batch(size);
    if (backend_->samples()) generate_tokens();
  }

  /// What is being checked, for what is thrown meanwhile.
  const std::string& check() const { return check_; }

 private:
  std::int64_t pages_needed() const {
    std::int64_t most = std::max(backend::pages_for(case_.tokens), pages_for_generation());
    for (const std::int64_t size : case_.batch_sizes) {
      std::int64_t pages = 0;
      for (std::int64_t i = 0; i < size; ++i) pages += backend::pages_for(tokens_in_batch(i, size));
      most = std::max(most, pages);
    }
    return most;
  }

  std::int64_t tokens_in_batch(std::int64_t index, std::int64_t size) const {
    return prompt_length(index, size, case_.longest_prompt) + kBatchSteps;
  }

  Pages pages() const { return {backend_->kv_groups().front().pages, kSeed + 2}; }

  std::span<const TokenId> tokens(std::int64_t begin, std::int64_t count) const {
    return std::span(expected_.tokens).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
  }

  /// All tokens at once: the only results that are compared with the reference; all others have to be these.
  void compute_prompt() {
    check_ = "prompt of " + std::to_string(case_.tokens) + " tokens: logits";
    Pages free = pages();
    Sequence sequence(*backend_, case_.tokens, free);
    Slice slice = sequence.next(expected_.tokens, Logits::kAll);
    slice.hidden = true;
    std::vector<float> hidden(expected_.hidden.size());
    logits_.resize(expected_.logits.size());
    backend_->forward({&slice, 1}, logits_, hidden);
    report_errors(logits_, expected_.logits, row_);
    check_ = "hidden states";
    report_errors(hidden, expected_.hidden, static_cast<std::size_t>(backend_->hidden_size()));
  }

  /// The same sequence again: chunks of a prompt, then a token at a time.
  void compute_in_chunks() {
    check_ = "the same prompt in chunks";
    Pages free = pages();
    Sequence sequence(*backend_, case_.tokens, free);
    Differences differences;
    const std::int64_t decoded_from = std::max<std::int64_t>(0, case_.tokens - kDecodeSteps);
    std::size_t turn = 0;
    for (std::int64_t begin = 0; begin < decoded_from;) {
      const std::int64_t count = std::min(kChunks[turn++ % std::size(kChunks)], decoded_from - begin);
      compute_slice(sequence, begin, count, differences);
      begin += count;
    }
    report_bits(differences);
    check_ = "its last " + std::to_string(case_.tokens - decoded_from) + " tokens, one by one";
    differences = {};
    for (std::int64_t token = decoded_from; token < case_.tokens; ++token) {
      compute_slice(sequence, token, 1, differences);
    }
    report_bits(differences);
  }

  /// Beginnings of the sequence side by side, then some more tokens of each.
  void compute_in_batch(std::int64_t size) {
    check_ = "among " + std::to_string(size) + " sequences";
    Pages free = pages();
    std::vector<Sequence> sequences;
    std::vector<std::int64_t> lengths;
    for (std::int64_t i = 0; i < size; ++i) {
      sequences.emplace_back(*backend_, tokens_in_batch(i, size), free);
      lengths.push_back(0);
    }
    Differences differences;
    std::vector<float> logits(static_cast<std::size_t>(size) * row_);
    for (std::int64_t step = 0; step <= kBatchSteps; ++step) {
      std::vector<Slice> batch;
      for (std::size_t i = 0; i < sequences.size(); ++i) {
        const std::int64_t count =
            step == 0 ? prompt_length(static_cast<std::int64_t>(i), size, case_.longest_prompt) : 1;
        batch.push_back(sequences[i].next(tokens(lengths[i], count), Logits::kLast));
        lengths[i] += count;
      }
      backend_->forward(batch, logits, {});
      for (std::size_t i = 0; i < sequences.size(); ++i) {
        compare_row(std::span(logits).subspan(i * row_, row_), lengths[i] - 1, differences);
      }
    }
    report_bits(differences);
  }

  void generate_tokens() {
    check_ = "tokens that it chooses";
    generate(
        *backend_, expected_.tokens, [this] { return pages(); },
        [this](const std::string& check, const std::string& wrong) {
          report_({.check = check, .result = wrong.empty() ? "the same tokens" : wrong, .passed = wrong.empty()});
        });
  }

  /// Rows that are not what they were in the prompt.
  struct Differences {
    std::int64_t rows = 0;
    std::int64_t different = 0;
    std::int64_t first = 0;  ///< the position of the first one
    double largest_error = 0;
  };

  void compute_slice(Sequence& sequence, std::int64_t begin, std::int64_t count, Differences& differences) {
    const Slice slice = sequence.next(tokens(begin, count), Logits::kAll);
    std::vector<float> logits(static_cast<std::size_t>(count) * row_);
    backend_->forward({&slice, 1}, logits, {});
    for (std::int64_t i = 0; i < count; ++i) {
      compare_row(std::span(logits).subspan(static_cast<std::size_t>(i) * row_, row_), begin + i, differences);
    }
  }

  void compare_row(std::span<const float> row, std::int64_t position, Differences& differences) const {
    const std::span<const float> in_prompt =
        std::span(logits_).subspan(static_cast<std::size_t>(position) * row_, row_);
    ++differences.rows;
    const auto bits = [](float value) { return std::bit_cast<std::uint32_t>(value); };
    if (std::ranges::equal(row, in_prompt, {}, bits, bits)) return;
    if (differences.different++ == 0) differences.first = position;
    differences.largest_error = std::max(differences.largest_error, relative_error(row, in_prompt));
  }

  void report_errors(std::span<const float> actual, std::span<const float> expected, std::size_t columns) const {
    const double median = median_error(actual, expected, columns);
    const double total = relative_error(actual, expected);
    report_({.check = check_,
             .result = "error " + short_number(median) + " of " + short_number(limits_.median) + ", total " +
                       short_number(total) + " of " + short_number(limits_.total),
             .passed = median <= limits_.median && total <= limits_.total});
  }

  void report_bits(const Differences& found) const {
    const bool passed = found.different == 0;
    report_({.check = check_,
             .result = passed ? "the same bits"
                              : std::to_string(found.different) + " of " + std::to_string(found.rows) +
                                    " rows differ, the first at position " + std::to_string(found.first) +
                                    ", by up to " + short_number(found.largest_error),
             .passed = passed});
  }

  const Case& case_;
  const Expectation& expected_;
  Limits limits_;
  const std::function<void(const Outcome&)>& report_;
  backend::Backend* backend_ = nullptr;
  std::size_t row_ = 0;
  std::vector<float> logits_;  ///< of the prompt
  std::string check_ = "made ready";
};

}  // namespace

Expectation compute_expectation(const Case& one, backend::Precision precision) {
  Expectation expected;
  const model::ModelConfig& config = one.shape.config;
  expected.model = make_random_model(one.shape, kSeed);
  expected.tokens = random_tokens(one.tokens, config.vocab_size);
  expected.logits.resize(static_cast<std::size_t>(one.tokens * config.vocab_size));
  expected.hidden.resize(static_cast<std::size_t>(one.tokens * config.hidden_size));
  const std::int64_t page_count = backend::pages_for(one.tokens);
  const auto reference = make_reference_backend(expected.model, backend::make_kv_groups(config, page_count), precision);
  Pages pages(page_count, kSeed);
  Sequence sequence(*reference, one.tokens, pages);
  Slice slice = sequence.next(expected.tokens, Logits::kAll);
  slice.hidden = true;
  reference->forward({&slice, 1}, expected.logits, expected.hidden);
  return expected;
}

void run_case(const Case& one, const Expectation& expected, const Limits& limits, const MakeBackend& make_backend,
              const std::function<void(const Outcome&)>& report) {
  Run run(one, expected, limits, report);
  try {
    run.run(make_backend);
  } catch (const std::exception& error) {
    report({.check = run.check(), .result = error.what(), .passed = false});
  }
}

}  // namespace gpuinfer::selftest
