// Keys with the architecture's name in front.
#include "runtime/model/gguf_settings.hpp"

#include <cmath>

#include "base/error.hpp"

namespace gpuinfer::model {

GgufSettings::GgufSettings(const GgufFile& file)
    : file_(file), prefix_(std::string(file.string("general.architecture").value_or("")) + ".") {}

void GgufSettings::refuse(const std::string& what) const {
  throw Error(place() + ": " + what, "The model is of a kind that is not supported yet.");
}

std::int64_t GgufSettings::required_integer(const std::string& key) const {
  const auto value = integer(key);
  if (!value) throw Error(place() + ": metadata key '" + full(key) + "' is missing", "Fetch the file again.");
  return *value;
}

double GgufSettings::positive(const std::string& key, double otherwise) const {
  const double value = real(key).value_or(otherwise);
  if (!(value > 0) || !std::isfinite(value)) refuse("'" + full(key) + "' is not positive");
  return value;
}

std::vector<bool> GgufSettings::sliding_layers(std::size_t layers, std::int64_t period) const {
  const std::string key = full("attention.sliding_window_pattern");
  if (file_.holds_array(key)) {
    const std::span<const std::int64_t> flags = *file_.integers(key);
    if (flags.size() != layers) throw Error(place() + ": '" + key + "' does not have a flag for each layer");
    return {flags.begin(), flags.end()};
  }
  period = file_.integer(key).value_or(period);
  if (period < 0) throw Error(place() + ": '" + key + "' is negative");
  std::vector<bool> is_sliding(layers, true);
  for (std::size_t i = 0; period > 0 && i < layers; ++i) {
    is_sliding[i] = (static_cast<std::int64_t>(i) + 1) % period != 0;
  }
  return is_sliding;
}

}  // namespace gpuinfer::model
