// The input of linear layers, as the kernels want it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "runtime/model/quantized_block.hpp"

namespace gpuinfer::backend {

/// [tokens, columns]: float32 for float weights and, for quantised ones, int16 in blocks of 32 with a scale each: scale
/// = max|x| / 32767, value = round-half-to-even(x / scale). Products with the weights' integers are then exact, and the
/// result differs from float32 arithmetic by about 1e-5. (8 bits, which llama.cpp takes, would halve the work of a
/// prompt, but moved SmolLM2's logits by 2 to 5 %: small differences anywhere change which way activations round.)
class Activations {
 public:
  /// Makes room; what was there is lost.
  void resize(std::int64_t tokens, std::int64_t columns) {
    columns_ = columns;
    grow(floats_, tokens * columns);
    grow(values_, tokens * columns);
    grow(scales_, tokens * blocks());
    grow(sums_, tokens * blocks());
  }

  std::int64_t columns() const { return columns_; }
  std::int64_t blocks() const { return columns_ / model::kQuantizedBlockElements; }

  float* floats(std::int64_t token) { return floats_.data() + token * columns_; }
  const float* floats(std::int64_t token) const { return floats_.data() + token * columns_; }

  /// The two in the middle of every four columns are exchanged: the low bytes of the 16-bit halves of a word of four
  /// weights meet the first two of these, the high bytes the last two.
  std::int16_t* values(std::int64_t token) { return values_.data() + token * columns_; }
  const std::int16_t* values(std::int64_t token) const { return values_.data() + token * columns_; }

  /// For each block its scale, and scale · (sum of its values), by which a weight's minimum is multiplied.
  float* scales(std::int64_t token) { return scales_.data() + token * blocks(); }
  const float* scales(std::int64_t token) const { return scales_.data() + token * blocks(); }
  float* sums(std::int64_t token) { return sums_.data() + token * blocks(); }
  const float* sums(std::int64_t token) const { return sums_.data() + token * blocks(); }

  /// Token `from` of `source`, which has the same columns, becomes token `to`: its floats and, where there are some,
  /// its quantised values.
  void copy(std::int64_t to, const Activations& source, std::int64_t from, bool quantized) {
    std::copy_n(source.floats(from), columns_, floats(to));
    if (!quantized) return;
    std::copy_n(source.values(from), columns_, values(to));
    std::copy_n(source.scales(from), blocks(), scales(to));
    std::copy_n(source.sums(from), blocks(), sums(to));
  }

 private:
  template <typename T>
  static void grow(std::vector<T>& buffer, std::int64_t size) {
    if (buffer.size() < static_cast<std::size_t>(size)) buffer.resize(static_cast<std::size_t>(size));
  }

  std::int64_t columns_ = 0;
  std::vector<float> floats_;
  std::vector<std::int16_t> values_;
  std::vector<float> scales_;
  std::vector<float> sums_;
};

}  // namespace gpuinfer::backend
