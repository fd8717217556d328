// The engine over the real CPU backend: the same tokens alone and in company, bit for bit.
#include <thread>

#include "catch.hpp"
#include "runtime/backend/cpu/cpu_backend.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/model/tiny_model.hpp"

namespace gpuinfer::engine {
namespace {

std::vector<TokenId> collect(Generation generation) {
  std::vector<TokenId> tokens;
  while (true) {
    const Progress progress = generation.next(std::chrono::minutes(10));
    for (const GeneratedToken& token : progress.tokens) tokens.push_back(token.id);
    if (progress.finished) return tokens;
  }
}

/// Half of them greedy; prompts of 1 to 58 tokens.
GenerationRequest request(std::size_t number) {
  GenerationRequest request{.sampling = {.temperature = number % 2 == 0 ? 0.0F : 1.0F, .seed = number},
                            .max_tokens = 20};
  for (std::size_t i = 0; i <= 3 * number; ++i) {
    request.prompt.push_back(static_cast<TokenId>((7 * i + number) % model::TinyModel::kVocab));
  }
  return request;
}

TEST_CASE("a model's answers are the same alone and in a crowd that is chunked and preempted") {
  const auto type = GENERATE(model::DataType::kF32, model::DataType::kQ4_1);
  const model::TemporaryFolder folder;
  const model::Model tiny =
      model::load_model(model::find_model(folder.write("model.gguf", model::tiny_llama_gguf(type))));
  constexpr std::size_t kRequests = 20;

  std::vector<std::vector<TokenId>> alone;
  {
    Engine engine(backend::make_cpu_backend(tiny, 16, 1), {});
    for (std::size_t i = 0; i < kRequests; ++i) alone.push_back(collect(engine.submit(request(i))));
  }
  Engine engine(backend::make_cpu_backend(tiny, 16, 2), {.limits = {.max_batch_tokens = 13, .max_running = 6}});
  std::vector<std::vector<TokenId>> together(kRequests);
  std::vector<std::thread> clients;
  for (std::size_t i = 0; i < kRequests; ++i) {
    clients.emplace_back([&, i] { together[i] = collect(engine.submit(request(i))); });
  }
  for (std::thread& client : clients) client.join();
  CHECK(together == alone);
}

}  // namespace
}  // namespace gpuinfer::engine
