// What the self-test says about the tokens that a backend chooses.
#include "runtime/selftest/generation.hpp"

#include <map>

#include "catch.hpp"
#include "runtime/engine/toy_backend.hpp"

namespace gpuinfer::selftest {
namespace {

/// Gives the third sequence another token in one of the steps.
class WrongToken final : public engine::ToyBackend {
 public:
  WrongToken(Options options, int wrong_step) : ToyBackend(std::move(options)), wrong_step_(wrong_step) {}

  void forward(std::span<const backend::Slice> batch, std::span<float> logits, std::span<float> hidden,
               std::span<backend::SampledToken> sampled) override {
    ToyBackend::forward(batch, logits, hidden, sampled);
    if (++steps_ == wrong_step_) sampled[2].id ^= 1;
  }

 private:
  int wrong_step_;
  int steps_ = 0;
};

/// What is wrong, by check.
std::map<std::string, std::string> found(int wrong_step, bool runs_ahead = true) {
  WrongToken backend({.samples = true, .runs_ahead = runs_ahead}, wrong_step);
  std::map<std::string, std::string> reported;
  const std::vector<TokenId> prompts = {3, 4};
  generate(
      backend, prompts, [] { return Pages(pages_for_generation(), 1); },
      [&](const std::string& check, const std::string& wrong) { reported[check] = wrong; });
  return reported;
}

const std::string kChoice = "tokens that it chooses";
const std::string kAhead = "the same, each step begun before the last one ends";

TEST_CASE("nothing is wrong with tokens that are those of the host, ahead or not") {
  CHECK(found(0) == std::map<std::string, std::string>{{kChoice, ""}, {kAhead, ""}});
  CHECK(found(0, false) == std::map<std::string, std::string>{{kChoice, ""}});
}

TEST_CASE("a token that is another one is found in the step and the sequence where it came") {
  const auto first = found(4);
  REQUIRE(first.size() == 1);
  CHECK_THAT(first.at(kChoice), Catch::Contains("in place of") && Catch::EndsWith("in sequence 2 at position 3"));
  const auto second = found(5 + 2);
  CHECK(second.at(kChoice).empty());
  CHECK_THAT(second.at(kAhead), Catch::EndsWith("in sequence 2 at position 1"));
}

}  // namespace
}  // namespace gpuinfer::selftest
