// What a self-test finds: nothing on a backend that is right, and each fault that is planted.
#include <bit>
#include <limits>
#include <sstream>

#include "catch.hpp"
#include "runtime/backend/cpu/cpu_backend.hpp"
#include "runtime/backend/kv_groups.hpp"
#include "runtime/selftest/run_cases.hpp"

namespace gpuinfer::selftest {
namespace {

using backend::Slice;

std::vector<Case> small_cases() {
  std::vector<Case> cases = family_cases(
      {.vocab = 96, .hidden = 64, .intermediate = 96, .layers = 2, .head_dim = 32, .experts = 6, .window = 20});
  for (Case& one : cases) {
    one.tokens = 60;
    one.batch_sizes = {3};
    one.longest_prompt = 50;
  }
  return cases;
}

Case case_named(const std::string& name) {
  for (const Case& one : small_cases()) {
    if (one.name == name) return one;
  }
  throw std::invalid_argument(name);
}

/// The CPU backend, whose results a fault changes after each step.
class FaultyBackend final : public backend::Backend {
 public:
  using Fault = std::function<void(std::span<const Slice>, std::span<float> logits)>;

  FaultyBackend(std::unique_ptr<Backend> backend, Fault fault)
      : backend_(std::move(backend)), fault_(std::move(fault)) {}

  std::string description() const override { return "faulty"; }
  std::int64_t vocab_size() const override { return backend_->vocab_size(); }
  std::int64_t hidden_size() const override { return backend_->hidden_size(); }
  std::int64_t max_position_embeddings() const override { return backend_->max_position_embeddings(); }
  const std::vector<backend::KvGroup>& kv_groups() const override { return backend_->kv_groups(); }
  void forward(std::span<const Slice> batch, std::span<float> logits, std::span<float> hidden,
               std::span<backend::SampledToken> sampled) override {
    backend_->forward(batch, logits, hidden, sampled);
    fault_(batch, logits);
  }

 private:
  std::unique_ptr<Backend> backend_;
  Fault fault_;
};

std::unique_ptr<backend::Backend> make_cpu(const model::Model& model, std::int64_t pages) {
  return backend::make_cpu_backend(model, backend::make_kv_groups(model.config, pages), 2);
}

struct Report {
  int failures;
  std::string text;
};

Report report(const std::vector<Case>& cases, const MakeBackend& make_backend) {
  std::ostringstream out;
  const int failures = run_cases(cases, make_backend, kFloat32Tolerance, out);
  return {failures, out.str()};
}

Report report_with(const FaultyBackend::Fault& fault) {
  return report({case_named("Llama 3")}, [&](const auto& model, std::int64_t pages) {
    return std::make_unique<FaultyBackend>(make_cpu(*model, pages), fault);
  });
}

/// The lines that say FAILED.
std::vector<std::string> failed_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.find("FAILED") != std::string::npos) lines.push_back(line);
  }
  return lines;
}

void flip_a_bit(float& value) { value = std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) ^ 1U); }

TEST_CASE("a backend that is right passes with every family, and the table says what was done") {
  const auto [failures, text] =
      report(small_cases(), [](const auto& model, std::int64_t pages) { return make_cpu(*model, pages); });
  INFO(text);
  CHECK(failures == 0);
  for (const Case& one : small_cases()) CHECK_THAT(text, Catch::Contains(one.name));
  CHECK_THAT(text, Catch::Contains("prompt of 60 tokens: logits") && Catch::Contains("hidden states") &&
                       Catch::Contains("the same prompt in chunks") &&
                       Catch::Contains("its last 20 tokens, one by one") && Catch::Contains("among 3 sequences") &&
                       Catch::Contains("30 of 30 checks passed"));
}

TEST_CASE("numbers that are a little too large, or none, are further from the reference than allowed") {
  const auto factor = GENERATE(1.02F, std::numeric_limits<float>::quiet_NaN());
  const auto [failures, text] = report_with([&](std::span<const Slice>, std::span<float> logits) {
    for (float& value : logits) value *= factor;
  });
  INFO(text);
  CHECK(failures == 1);
  CHECK_THAT(failed_lines(text).at(0), Catch::Contains("logits"));
}

TEST_CASE("one bit of one number that depends on the company, or on being alone, is found and placed") {
  const bool in_batch = GENERATE(true, false);
  const auto [failures, text] = report_with([&](std::span<const Slice> batch, std::span<float> logits) {
    const bool is_decode_step = batch.front().tokens.size() == 1 && batch.front().position == 45;
    if (in_batch ? batch.size() == 3 : batch.size() == 1 && is_decode_step) flip_a_bit(logits.back());
  });
  INFO(text);
  CHECK(failures == 1);
  CHECK_THAT(failed_lines(text).at(0), Catch::Contains(in_batch ? "among 3 sequences" : "one by one"));
  // The last sequence of the batch has 50 tokens in its first step.
  CHECK_THAT(failed_lines(text).at(0), Catch::Contains(in_batch ? "the first at position 49" : "at position 45"));
}

TEST_CASE("a backend that throws fails the check that was under way, and the next models are computed") {
  int made = 0;
  const auto [failures, text] =
      report(small_cases(), [&](const auto& model, std::int64_t pages) -> std::unique_ptr<backend::Backend> {
        ++made;
        if (made == 2) throw std::runtime_error("there is no memory for it");
        return std::make_unique<FaultyBackend>(make_cpu(*model, pages), [&](std::span<const Slice> batch, auto) {
          if (made == 3 && batch.size() > 1) throw std::runtime_error("an illegal memory access");
        });
      });
  INFO(text);
  CHECK(made == 6);
  CHECK(failures == 2);
  CHECK_THAT(failed_lines(text).at(0), Catch::Contains("made ready") && Catch::Contains("no memory for it"));
  CHECK_THAT(failed_lines(text).at(1), Catch::Contains("among 3") && Catch::Contains("illegal memory access"));
}

struct WrongModel {
  const char* what;
  const char* of_case;
  std::function<void(model::Model&)> change;
};

TEST_CASE("a model that is computed without one of its parts is further from the reference than allowed") {
  const auto in_layers = [](const auto& change) {
    return [change](model::Model& model) {
      for (model::LayerWeights& layer : model.weights.layers) change(layer);
    };
  };
  const WrongModel wrong = GENERATE_COPY(
      WrongModel{"biases", "Qwen 2.5", in_layers([](auto& layer) { layer.v.bias = {}; })},
      WrongModel{"norm of keys", "Qwen 3", in_layers([](auto& layer) { layer.k_norm = {}; })},
      WrongModel{"norm of attention", "Gemma 3", in_layers([](auto& layer) { layer.attention_output_norm = {}; })},
      WrongModel{"norm of the MLP", "Gemma 3", in_layers([](auto& layer) { layer.mlp_output_norm = {}; })},
      WrongModel{"sinks", "gpt-oss", in_layers([](auto& layer) { layer.sinks = {}; })},
      WrongModel{"an expert", "gpt-oss", in_layers([](auto& layer) { layer.experts[1] = layer.experts[0]; })},
      WrongModel{"an expert", "Qwen 3 MoE", in_layers([](auto& layer) { layer.experts[5] = layer.experts[0]; })},
      WrongModel{"rows of gate and up", "gpt-oss",
                 in_layers([](auto& layer) { std::swap(layer.experts[2].gate, layer.experts[2].up); })},
      WrongModel{"window", "gpt-oss", [](model::Model& model) { ++*model.config.layers[0].sliding_window; }},
      WrongModel{"YaRN's magnitude", "gpt-oss", [](model::Model& model) { model.config.ropes[0].magnitude = 1; }},
      WrongModel{"RoPE of the layer", "Gemma 3", [](model::Model& model) { model.config.layers[1].rope = 0; }},
      WrongModel{"scale of the embedding", "Gemma 3", [](model::Model& model) { model.config.embedding_scale = 1; }},
      WrongModel{"weights of the picked", "Qwen 3 MoE",
                 [](model::Model& model) { model.config.softmax_over_picked = true; }},
      WrongModel{"activation", "Gemma 3",
                 [](model::Model& model) { model.config.activation = model::Activation::kSilu; }});
  INFO(wrong.what << " of " << wrong.of_case);
  const auto [failures, text] = report({case_named(wrong.of_case)}, [&](const auto& model, std::int64_t pages) {
    model::Model changed = *model;
    wrong.change(changed);
    return make_cpu(changed, pages);
  });
  INFO(text);
  REQUIRE(failures >= 2);
  CHECK_THAT(failed_lines(text).at(0), Catch::Contains("logits"));
}

}  // namespace
}  // namespace gpuinfer::selftest
