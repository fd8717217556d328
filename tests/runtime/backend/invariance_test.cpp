// The promise that a request's results do not depend on its company: the same bits alone and in a batch, whatever the
// chunks.
#include <random>
#include <tuple>

#include "catch.hpp"
#include "fixture.hpp"
#include "runtime/backend/cpu/cpu_backend.hpp"
#include "runtime/backend/kv_groups.hpp"
#include "sequence.hpp"
#include "temporary_folder.hpp"
#include "tiny_model.hpp"

namespace gpuinfer::backend {
namespace {

constexpr std::int64_t kPages = 60;

std::vector<TokenId> random_tokens(std::size_t count, std::int64_t vocab, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<TokenId> tokens;
  for (std::size_t i = 0; i < count; ++i)
    tokens.push_back(static_cast<TokenId>(random() % static_cast<unsigned>(vocab)));
  return tokens;
}

model::Model tiny_model(model::DataType type) {
  const TemporaryFolder folder;
  return model::load_model(model::find_model(folder.write("model.gguf", model::tiny_llama_gguf(type))));
}

/// Logits of every token of `tokens`, in chunks, always beside two other sequences that are at other positions.
std::vector<float> run_in_company(Backend& backend, std::span<const TokenId> tokens, std::size_t chunk) {
  const auto vocab = static_cast<std::size_t>(backend.vocab_size());
  const std::vector<TokenId> others = random_tokens(tokens.size() + 9, backend.vocab_size(), 99);
  Sequence mine(20, 0);
  Sequence before(20, 1);
  Sequence after(10, 40);
  std::vector<float> scratch(vocab);
  const Slice start = before.next(std::span(others).first(9), Logits::kLast);
  backend.forward(std::span(&start, 1), scratch, {});

  std::vector<float> all;
  for (std::size_t begin = 0; begin < tokens.size(); begin += chunk) {
    const std::size_t count = std::min(chunk, tokens.size() - begin);
    const std::vector<Slice> batch = {
        before.next(std::span(others).subspan(9 + begin, 1), Logits::kLast),
        mine.next(tokens.subspan(begin, count), Logits::kAll),
        after.next(std::span(others).subspan(begin, std::min<std::size_t>(count, 3)), Logits::kNone)};
    std::vector<float> logits((1 + count) * vocab);
    backend.forward(batch, logits, {});
    all.insert(all.end(), logits.begin() + static_cast<std::ptrdiff_t>(vocab), logits.end());
  }
  return all;
}

void check_invariance(const model::Model& model) {
  const std::vector<TokenId> tokens = random_tokens(131, model.config.vocab_size, 5);
  const auto backend = make_cpu_backend(model, make_kv_groups(model.config, kPages), 2);
  const std::vector<float> whole = Sequence(20).run(*backend, tokens, tokens.size());
  for (const std::size_t chunk : {1, 7, 16, 64}) {
    INFO("chunks of " << chunk);
    REQUIRE(Sequence(20).run(*backend, tokens, chunk) == whole);
    REQUIRE(run_in_company(*backend, tokens, chunk) == whole);
  }
  const auto one_thread = make_cpu_backend(model, make_kv_groups(model.config, kPages), 1);
  REQUIRE(Sequence(20).run(*one_thread, tokens, 50) == whole);
}

TEST_CASE("logits are the same bits alone, in a batch, and in chunks of any size") {
  for (const auto type : {model::DataType::kF32, model::DataType::kF16, model::DataType::kBF16, model::DataType::kQ4_0,
                          model::DataType::kQ4_1, model::DataType::kQ5_0, model::DataType::kQ5_1,
                          model::DataType::kQ8_0, model::DataType::kMxfp4Ggml}) {
    DYNAMIC_SECTION(model::name(type)) { check_invariance(tiny_model(type)); }
  }
  for (const char* name : {"mistral", "qwen2", "qwen3-moe", "gemma3", "gpt-oss-mxfp4"}) {
    DYNAMIC_SECTION(name) { check_invariance(*load_fixture(name).model); }
  }
}

TEST_CASE("a batch longer than one portion of the backend is computed in portions") {
  const model::Model model = tiny_model(model::DataType::kQ4_1);
  const std::vector<TokenId> tokens = random_tokens(510, model.config.vocab_size, 6);
  const auto backend = make_cpu_backend(model, make_kv_groups(model.config, 3 * 32), 2);
  const std::vector<float> alone = Sequence(32).run(*backend, tokens, 100);
  Sequence first(32, 0);
  Sequence second(32, 1);
  const std::vector<Slice> batch = {first.next(tokens, Logits::kAll), second.next(tokens, Logits::kAll)};
  std::vector<float> logits(2 * alone.size());
  backend->forward(batch, logits, {});
  REQUIRE(std::equal(alone.begin(), alone.end(), logits.begin()));
  REQUIRE(std::equal(alone.begin(), alone.end(), logits.begin() + static_cast<std::ptrdiff_t>(alone.size())));
}

TEST_CASE("a long sequence whose segments are computed side by side gets the same bits") {
  const model::Model model = tiny_model(model::DataType::kQ4_1);
  const std::vector<TokenId> tokens = random_tokens(510, model.config.vocab_size, 6);
  const auto one_thread = make_cpu_backend(model, make_kv_groups(model.config, 64), 1);
  const std::vector<float> expected = Sequence(32).run(*one_thread, tokens, tokens.size());
  // Few enough tasks for every thread to be given segments.
  const auto four_threads = make_cpu_backend(model, make_kv_groups(model.config, 64), 4);
  REQUIRE(Sequence(32).run(*four_threads, tokens, 3) == expected);
}

}  // namespace
}  // namespace gpuinfer::backend
