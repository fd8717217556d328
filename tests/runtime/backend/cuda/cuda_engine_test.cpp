// The engine over the CUDA backend, on the GPU that tests/simt plays: tokens that are chosen there are those that the
// host would choose from the logits.
#include <memory>
#include <optional>
#include <utility>

#include "../fixture.hpp"
#include "catch.hpp"
#include "runtime/backend/cuda/cuda_backend.hpp"
#include "runtime/engine/engine.hpp"

namespace gpuinfer::backend {
namespace {

using engine::Engine;
using engine::GenerationRequest;
using engine::Logprobs;

constexpr std::int64_t kGeneratedVocab = 301;

/// The backend without its sampling: all logits come to the host.
class WithoutSampling final : public Backend {
 public:
  explicit WithoutSampling(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {}

  std::string description() const override { return backend_->description(); }
  std::int64_t vocab_size() const override { return backend_->vocab_size(); }
  std::int64_t hidden_size() const override { return backend_->hidden_size(); }
  std::int64_t max_position_embeddings() const override { return backend_->max_position_embeddings(); }
  const std::vector<KvGroup>& kv_groups() const override { return backend_->kv_groups(); }
  void forward(std::span<const Slice> batch, std::span<float> logits, std::span<float> hidden,
               std::span<SampledToken> sampled) override {
    backend_->forward(batch, logits, hidden, sampled);
  }

 private:
  std::unique_ptr<Backend> backend_;
};

struct Answer {
  std::vector<TokenId> tokens;
  std::vector<std::optional<Logprobs>> logprobs;
  std::vector<Logprobs> prompt_logprobs;
  std::vector<float> embedding;

  bool operator==(const Answer&) const = default;
};

Answer collect(engine::Generation generation) {
  Answer answer;
  while (true) {
    engine::Progress progress = generation.next(std::chrono::minutes(10));
    for (engine::GeneratedToken& token : progress.tokens) {
      answer.tokens.push_back(token.id);
      answer.logprobs.push_back(std::move(token.logprobs));
    }
    for (Logprobs& one : progress.prompt_logprobs) answer.prompt_logprobs.push_back(std::move(one));
    if (!progress.finished) continue;
    answer.embedding = std::move(progress.embedding);
    return answer;
  }
}

/// Everything that decides about a token, and what else may be wanted beside it.
std::vector<GenerationRequest> requests() {
  std::vector<GenerationRequest> all = {
      {.sampling = {.temperature = 0}},
      {.sampling = {.temperature = 0.8F, .seed = 1}},
      {.sampling = {.temperature = 1.5F, .min_p = 0.05F, .top_k = 20, .top_p = 0.9F, .seed = 2}, .logprobs = 0},
      {.sampling = {.seed = 3},
       .adjustments = {.logit_bias = {{7, 3.0F}, {11, -100.0F}}, .repetition_penalty = 1.4F},
       .logprobs = 2},
      {.sampling = {.temperature = 0},
       .adjustments = {.presence_penalty = 0.7F, .frequency_penalty = 0.4F, .bad_words = {{40}, {41, 42}}}},
      {.sampling = {.temperature = 2, .seed = 5},
       .adjustments = {.allowed_tokens = {3, 64, 65, 300, 310}, .min_tokens = 2},
       .stop_tokens = {64}},
      {.sampling = {.temperature = 3, .top_p = 0.5F, .seed = 6}, .prompt_logprobs = 1},
      {.embedding = engine::Pooling::kMean},
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t token = 0; token < 2 + i; ++token) {
      all[i].prompt.push_back(static_cast<TokenId>((5 * token + 17 * i) % kGeneratedVocab));
    }
    all[i].max_tokens = 4;
  }
  return all;
}

std::vector<Answer> ask(std::unique_ptr<Backend> backend, const std::vector<GenerationRequest>& together) {
  Engine engine(std::move(backend),
                {.limits = {.max_batch_tokens = 24, .max_running = 8}, .generated_vocab_size = kGeneratedVocab});
  std::vector<Answer> answers;
  for (engine::Generation& generation : engine.submit(together)) answers.push_back(collect(std::move(generation)));
  return answers;
}

TEST_CASE("tokens that the GPU chooses are those that the host chooses from its logits, alone and in company",
          "[long]") {
  const Fixture fixture = load_fixture("llama");
  const auto cuda = [&] { return make_cuda_backend(*fixture.model, KvPlan::of_pages(24), 2); };
  REQUIRE(cuda()->samples());
  const std::vector<Answer> of_host = ask(std::make_unique<WithoutSampling>(cuda()), requests());
  const std::vector<Answer> of_gpu = ask(cuda(), requests());
  for (std::size_t i = 0; i < of_host.size(); ++i) {
    CAPTURE(i);
    CHECK(ask(cuda(), {requests()[i]}).front() == of_gpu[i]);
    CHECK(of_gpu[i].tokens == of_host[i].tokens);
    CHECK(of_gpu[i].prompt_logprobs == of_host[i].prompt_logprobs);
    CHECK(of_gpu[i].embedding == of_host[i].embedding);
    if (requests()[i].logprobs != 0) {
      CHECK(of_gpu[i].logprobs == of_host[i].logprobs);
      continue;
    }
    for (std::size_t token = 0; token < of_host[i].tokens.size(); ++token) {
      const float logprob = of_host[i].logprobs[token]->token.logprob;
      CHECK(of_gpu[i].logprobs[token]->token.logprob == Approx(logprob).margin(1e-5));
    }
  }
}

}  // namespace
}  // namespace gpuinfer::backend
