// One model on a backend, compared with the reference and with itself.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/backend/backend.hpp"
#include "runtime/backend/reference/reference_backend.hpp"
#include "runtime/selftest/cases.hpp"

namespace gpuinfer::selftest {

/// What the reference makes of a case.
struct Expectation {
  std::shared_ptr<const model::Model> model;
  std::vector<TokenId> tokens;
  std::vector<float> logits;  ///< [tokens, vocab]
  std::vector<float> hidden;  ///< [tokens, hidden]
};

/// Takes seconds; one after the other or side by side.
Expectation compute_expectation(const Case& one, backend::Precision precision);

/// The backend under test, with `pages` pages in each KV group.
using MakeBackend =
    std::function<std::unique_ptr<backend::Backend>(std::shared_ptr<const model::Model>, std::int64_t pages)>;

/// One line of the report.
struct Outcome {
  std::string check;   ///< "prompt of 200 tokens: logits"
  std::string result;  ///< the error beside its limit, "the same bits", or what is wrong
  bool passed = false;
};

/// |actual - expected| / |expected| where results are wrong: of half of the tokens, each for itself, and of all
/// together. In a mixture a token whose scores are nearly equal may go to another expert, and others see it, so a few
/// tokens make most of the second.
struct Limits {
  double median = 0;
  double total = 0;
};

/// Computes the case and calls `report` after each check. What the backend throws is an outcome too; the checks behind
/// it are left out then.
void run_case(const Case& one, const Expectation& expected, const Limits& limits, const MakeBackend& make_backend,
              const std::function<void(const Outcome&)>& report);

}  // namespace gpuinfer::selftest
