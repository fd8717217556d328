// The tokens that a backend chooses itself, compared with the host's choice from its logits.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "runtime/backend/backend.hpp"
#include "runtime/selftest/sequence.hpp"

namespace gpuinfer::selftest {

/// Pages that generate() takes, in each KV group.
std::int64_t pages_for_generation();

/// Generates some tokens of a few sequences, each with sampling parameters of its own, which begin with a token of
/// `prompts`. First each step when the tokens of the one before it are known, where they are compared with what the
/// host chooses from the logits; then, where the backend runs ahead, each step before that: the tokens have to be the
/// same. Calls report(check, what is wrong) for each of the two; "": nothing. For a backend that samples.
void generate(backend::Backend& backend, std::span<const TokenId> prompts, const std::function<Pages()>& pages,
              const std::function<void(const std::string&, const std::string&)>& report);

}  // namespace gpuinfer::selftest
