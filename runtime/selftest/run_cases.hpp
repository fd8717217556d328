// A table of what a backend makes of several models.
#pragma once

#include <iosfwd>
#include <vector>

#include "runtime/selftest/case_run.hpp"

namespace gpuinfer::selftest {

/// How far a backend may be from the reference.
struct Tolerance {
  backend::Precision precision;  ///< of the reference
  Limits dense;
  Limits mixture;
};

/// Of a backend that passes on bfloat16. The reference with bfloat16 is two to three times as far away from the one
/// with float32 as the CUDA backend is from it under tests/simt.
inline constexpr Tolerance kBfloat16Tolerance = {.precision = backend::Precision::kBfloat16,
                                                 .dense = {.median = 1.5e-2, .total = 1.5e-2},
                                                 .mixture = {.median = 2e-2, .total = 0.15}};
/// Of one that computes in float32, with keys and values of 16 bits.
inline constexpr Tolerance kFloat32Tolerance = {.precision = backend::Precision::kFloat32,
                                                .dense = {.median = 5e-3, .total = 5e-3},
                                                .mixture = {.median = 5e-3, .total = 0.15}};

/// Computes the cases and writes the table while they come: a line for each check, and at the end how many passed. The
/// reference has a thread for each case meanwhile. Returns the number of checks that failed.
int run_cases(const std::vector<Case>& cases, const MakeBackend& make_backend, const Tolerance& tolerance,
              std::ostream& out);

}  // namespace gpuinfer::selftest
