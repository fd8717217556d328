// The models that a self-test computes, and how much of each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/selftest/random_model.hpp"

namespace gpuinfer::selftest {

struct Case {
  std::string name;
  ModelShape shape;
  /// The reference computes so many tokens of one sequence, and the backend computes each of them in several ways.
  std::int64_t tokens = 0;
  /// Sequences that are computed together, in one step after the other.
  std::vector<std::int64_t> batch_sizes = {};
  /// Tokens that such a sequence has at most when its first step begins.
  std::int64_t longest_prompt = 0;
};

/// Sizes of models that differ in nothing else.
struct FamilySize {
  std::int64_t vocab = 0;
  std::int64_t hidden = 0;
  std::int64_t intermediate = 0;
  std::int64_t layers = 0;
  /// Of those that have fewer in their real sizes too.
  std::int64_t head_dim = 0;
  std::int64_t experts = 0;
  std::int64_t window = 0;
};

/// One model of each family, with what sets it apart from the others; how much of it is left to the caller.
std::vector<Case> family_cases(const FamilySize& size);

/// What `gpuinfer-server --selftest` computes: every family, then layers and contexts as large as those of real models.
std::vector<Case> all_cases();

}  // namespace gpuinfer::selftest
