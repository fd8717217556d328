// The engine over the real CPU backend: the same tokens alone and in company, bit for bit.
#include <thread>

#include "catch.hpp"
#include "runtime/backend/cpu/cpu_backend.hpp"
#include "runtime/backend/kv_groups.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/model/tiny_model.hpp"
#include "temporary_folder.hpp"

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
  const TemporaryFolder folder;
  const model::Model tiny =
      model::load_model(model::find_model(folder.write("model.gguf", model::tiny_llama_gguf(type))));
  constexpr std::size_t kRequests = 20;

  std::vector<std::vector<TokenId>> alone;
  {
    Engine engine(backend::make_cpu_backend(tiny, backend::make_kv_groups(tiny.config, 16), 1), {});
    for (std::size_t i = 0; i < kRequests; ++i) alone.push_back(collect(engine.submit(request(i))));
  }
  Engine engine(backend::make_cpu_backend(tiny, backend::make_kv_groups(tiny.config, 16), 2),
                {.limits = {.max_batch_tokens = 13, .max_running = 6}});
  std::vector<std::vector<TokenId>> together(kRequests);
  std::vector<std::thread> clients;
  for (std::size_t i = 0; i < kRequests; ++i) {
    clients.emplace_back([&, i] { together[i] = collect(engine.submit(request(i))); });
  }
  for (std::thread& client : clients) client.join();
  CHECK(together == alone);
}

/// Greedy tokens and their logprobs for a prompt of 100 tokens, asked for twice.
std::vector<std::vector<Logprobs>> greedy(const model::Model& model, const EngineOptions& options) {
  Engine engine(backend::make_cpu_backend(model, backend::make_kv_groups(model.config, 16), 2), options);
  GenerationRequest request{.sampling = {.temperature = 0}, .max_tokens = 12, .logprobs = 3};
  for (TokenId i = 0; i < 100; ++i) request.prompt.push_back((7 * i + 5) % 250);
  std::vector<std::vector<Logprobs>> answers;
  for (int time = 0; time < 2; ++time) {
    Generation generation = engine.submit(request);
    std::vector<Logprobs>& answer = answers.emplace_back();
    while (answer.size() < 12) {
      for (GeneratedToken& token : generation.next(std::chrono::minutes(10)).tokens) answer.push_back(*token.logprobs);
    }
    engine.wait_until_idle(std::chrono::minutes(10));
  }
  return answers;
}

TEST_CASE("every family's logits are the same bits in chunks of any size, with and without the prefix cache") {
  const std::string name =
      GENERATE("llama", "llama3-rope", "mistral", "qwen2", "qwen3", "qwen3-moe", "gemma3", "gpt-oss-mxfp4");
  CAPTURE(name);
  const model::Model model = model::load_model(model::find_model("runtime/fixtures/" + name));
  const auto whole = greedy(model, {.limits = {.max_batch_tokens = 128}, .reuse_prefixes = false});
  CHECK(whole[0] == whole[1]);
  for (const std::int64_t chunk : {1, 7, 64}) {
    for (const bool reuse : {false, true}) {
      CAPTURE(chunk, reuse);
      CHECK(greedy(model, {.limits = {.max_batch_tokens = chunk, .max_running = 1}, .reuse_prefixes = reuse}) == whole);
    }
  }
}

TEST_CASE("a file that cannot be read any more fails what runs, and the engine says why it is of no use") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.write("model.gguf", model::tiny_llama_gguf(model::DataType::kF32));
  const model::Model tiny = model::load_model(model::find_model(path));
  Engine engine(backend::make_cpu_backend(tiny, backend::make_kv_groups(tiny.config, 16), 2), {});
  std::vector<Generation> generations = engine.submit({request(3), request(4)});
  std::filesystem::resize_file(path, 4096);
  for (Generation& generation : generations) CHECK_THROWS_AS(collect(std::move(generation)), GenerationFailed);
  REQUIRE(engine.wait_until_idle(std::chrono::minutes(10)));
  const EngineStatistics statistics = engine.statistics();
  CHECK(statistics.kv_pages_used == 0);
  CHECK(statistics.failure.find("model.gguf") != std::string::npos);
}

}  // namespace
}  // namespace gpuinfer::engine
