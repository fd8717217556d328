// Which instruction sets the kernels are compiled for; include before Highway.
#pragma once

// Ice Lake and newer: 16-bit products that add up in one instruction (AVX512_VNNI).
#define HWY_WANT_AVX3_DL

// SSSE3 machines are too old to serve models. On SVE, vectors have no size that the compiler knows and cannot lie in
// arrays, as the kernels' tiles do; such machines use NEON.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
