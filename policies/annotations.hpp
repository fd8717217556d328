// The gpuinfer.dev/ annotations: what a user asks for on a pod or a workload.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"
#include "policies/settings.hpp"

namespace gpuinfer::policies {

inline constexpr std::string_view kAnnotationPrefix = "gpuinfer.dev/";
inline constexpr const char* kInjectAnnotation = "gpuinfer.dev/inject";
/// Written by us: which document was applied, and what it did.
inline constexpr const char* kInjectedAnnotation = "gpuinfer.dev/injected";

/// Written by us on a pod template: which of its annotations are copies of the workload's, without the prefix.
inline constexpr const char* kPropagatedAnnotation = "gpuinfer.dev/propagated";

/// More GPUs than any machine has: a typing mistake, not a wish.
inline constexpr std::int64_t kMaxGpus = 1024;

/// An annotation asks for something that this pod or this policy document cannot give.
class AnnotationError : public Error {
 public:
  using Error::Error;
};

/// The values of one object. Absent annotations are empty.
struct Annotations {
  bool inject = false;
  std::string model;        ///< "openai/gpt-oss-20b": the model's folder below the mount
  std::string model_image;  ///< the OCI image that holds the model
  std::string storage;      ///< a store's name or a claim's name
  std::optional<std::int64_t> gpus;
  std::optional<std::int64_t> shm_size_bytes;
  std::vector<std::string> containers;
  std::string api_key_secret;
  std::string probe_path;
  std::optional<Provisioner> provisioner;
  NodeRequirements nodes;  ///< a member that is not empty counts instead of the document's

  /// One policy on or off, whatever the document says.
  std::optional<bool> image_rewrite;
  std::optional<bool> environment;
  std::optional<bool> placement;
  std::optional<bool> probes;
  std::optional<bool> hardening;
  std::optional<bool> disruption;
};

struct ParsedAnnotations {
  Annotations values;
  std::vector<std::string> problems;  ///< unknown keys and bad values, one line each
};

/// The metadata.annotations of `object`; an empty object where there is none.
const Json& annotations_of(const Json& object);

/// What gpuinfer.dev/inject says: false for "false", true for anything else (a wrong value is a problem to report),
/// nothing where it is absent.
std::optional<bool> injection_choice(const Json& object);

ParsedAnnotations parse_annotations(const Json& object);

/// True for the keys that we write ourselves (injected, propagated, original-image.CONTAINER), which are never input.
bool is_written_by_us(std::string_view key);

/// gpuinfer.dev/original-image.CONTAINER. A container's name may have 63 characters and so may the part of a key after
/// the slash, so a long name is cut and made unique by a hash.
std::string original_image_annotation(const std::string& container);

/// `value` in quotes for a message, cut where it is very long.
std::string in_quotes(std::string_view value);

}  // namespace gpuinfer::policies
