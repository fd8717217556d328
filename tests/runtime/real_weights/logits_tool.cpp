// Runs a model on token ids for test_real_weights.py: a JSON question on standard input, a JSON answer on standard
// output.
#include <algorithm>
#include <iostream>
#include <memory>

#include "base/error.hpp"
#include "base/json.hpp"
#include "float32_model.hpp"
#include "perplexity.hpp"
#include "runtime/backend/kv_plan.hpp"
#include "runtime/backend/select.hpp"
#include "sequence.hpp"

namespace gpuinfer {
namespace {

using backend::Backend;

constexpr std::int64_t kPages = 128;
constexpr int kThreads = 2;

/// {"model": path, "float32": whether weights are dequantised}
std::shared_ptr<const model::Model> load_model(const Json& question) {
  model::Model model = model::load_model(model::find_model(question.at("model").get<std::string>()));
  if (question.at("float32").get<bool>()) model = model::to_float32(std::move(model));
  return std::make_shared<const model::Model>(std::move(model));
}

/// The best next tokens one after the other, and by how much each is better than the second best.
Json continue_greedily(Backend& backend, std::vector<TokenId> next, int steps) {
  backend::Sequence sequence(kPages / 2);
  std::vector<float> logits(static_cast<std::size_t>(backend.vocab_size()));
  Json answer = {{"ids", Json::array()}, {"margins", Json::array()}};
  for (int step = 0; step < steps; ++step) {
    const backend::Slice slice = sequence.next(next, backend::Logits::kLast);
    backend.forward(std::span(&slice, 1), logits, {});
    const auto best = std::ranges::max_element(logits);
    const float largest = *best;
    next = {static_cast<TokenId>(best - logits.begin())};
    *best = std::numeric_limits<float>::lowest();
    answer["ids"].push_back(next.front());
    answer["margins"].push_back(largest - std::ranges::max(logits));
  }
  return answer;
}

/// "backend" computes either {"prompts": [ids …], "steps": n} to [{"ids", "margins"} …], or
/// {"ids", "context", "bos": id or null} to {"perplexity", "tokens"}.
Json answer(const Json& question) {
  const std::shared_ptr<const model::Model> model = load_model(question);  // the backend reads embeddings from it
  const std::unique_ptr<Backend> backend = backend::make_backend(question.at("backend").get<std::string>(), model,
                                                                 backend::KvPlan::of_pages(kPages), kThreads);
  if (question.contains("prompts")) {
    Json answers = Json::array();
    for (const Json& prompt : question.at("prompts")) {
      answers.push_back(
          continue_greedily(*backend, prompt.get<std::vector<TokenId>>(), question.at("steps").get<int>()));
    }
    return answers;
  }
  const Json& bos = question.at("bos");
  const backend::Perplexity perplexity = backend::measure_perplexity(
      *backend, question.at("ids").get<std::vector<TokenId>>(), question.at("context").get<std::size_t>(),
      bos.is_null() ? std::nullopt : std::optional(bos.get<TokenId>()));
  return {{"perplexity", perplexity.value}, {"tokens", perplexity.tokens}};
}

}  // namespace
}  // namespace gpuinfer

int main() {
  try {
    std::cout << gpuinfer::answer(gpuinfer::Json::parse(std::cin)) << "\n";
    return 0;
  } catch (const gpuinfer::Error& error) {
    std::cerr << "error: " << error.what() << "\n";
    return 1;
  }
}
