// Changes a text before it is cut into pieces, as tokenizer.json's normalizers do.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/tokenizer_spec.hpp"

namespace gpuinfer::text {

/// Immutable.
class Normalizer {
 public:
  explicit Normalizer(std::vector<normalization::Step> steps) : steps_(std::move(steps)) {}

  /// The steps applied to a stretch of text (valid UTF-8, not empty) between added tokens; `first`: it begins the
  /// whole text. The result points into `text` where nothing changed, and into `buffer` elsewhere.
  std::string_view apply(std::string_view text, bool first, std::string& buffer) const;

 private:
  std::vector<normalization::Step> steps_;
};

}  // namespace gpuinfer::text
