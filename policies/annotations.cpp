#include "policies/annotations.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "base/suggestion.hpp"
#include "policies/grammars.hpp"
#include "policies/pod.hpp"
#include "policies/quantity.hpp"

namespace gpuinfer::policies {

namespace {

constexpr std::string_view kOriginalImagePrefix = "original-image.";
/// What Kubernetes allows after the slash of a key.
constexpr std::size_t kMaxNameLength = 63;

bool parse_boolean(const std::string& value) {
  if (value == "true") return true;
  if (value == "false") return false;
  throw AnnotationError(R"(must be "true" or "false")");
}

std::int64_t parse_whole_number(const std::string& value, std::int64_t least, std::int64_t most) {
  std::int64_t number = -1;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size() || number < least || number > most) {
    throw AnnotationError("must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

std::int64_t parse_bytes(const std::string& value) {
  std::int64_t bytes = 0;
  try {
    bytes = parse_quantity(value);
  } catch (const Error&) {
    throw AnnotationError("must be a quantity such as 8Gi");
  }
  if (bytes <= 0) throw AnnotationError("must be larger than zero");
  return bytes;
}

std::string parse_text(const std::string& value, const Grammar& grammar) {
  if (!grammar.accepts(value)) throw AnnotationError(std::string("must be ") + grammar.description);
  return value;
}

/// The parts of `value` between commas, without the spaces around them; none at all for an empty text.
std::vector<std::string> parse_list(const std::string& value, const Grammar& element, const char* description) {
  std::vector<std::string> list;
  std::size_t start = 0;
  while (start <= value.size()) {
    const std::size_t end = std::min(value.find(',', start), value.size());
    std::string item = value.substr(start, end - start);
    item.erase(0, std::min(item.find_first_not_of(' '), item.size()));
    item.erase(item.find_last_not_of(' ') + 1);
    if (!element.accepts(item)) throw AnnotationError(std::string("must be ") + description + " separated by commas");
    list.push_back(std::move(item));
    start = end + 1;
  }
  return list;
}

std::vector<std::int64_t> parse_gpu_counts(const std::string& value) {
  std::vector<std::int64_t> counts;
  for (const std::string& count : parse_list(value, kAnyText, "numbers")) {
    counts.push_back(parse_whole_number(count, 1, kMaxGpus));
  }
  return counts;
}

constexpr Grammar kModelName{is_model_name, "a model's name such as openai/gpt-oss-20b"};
constexpr Grammar kSecretName{is_dns_subdomain, "the name of a Secret"};
constexpr Grammar kContainerName{is_dns_label, "the name of a container"};
constexpr std::int64_t kMaxGeneration = 99;

struct KnownAnnotation {
  std::string_view key;
  void (*read)(Annotations&, const std::string& value);
};

using A = Annotations;
constexpr std::array kKnown{
    KnownAnnotation{"inject", [](A& a, const std::string& v) { a.inject = parse_boolean(v); }},
    KnownAnnotation{"model", [](A& a, const std::string& v) { a.model = parse_text(v, kModelName); }},
    KnownAnnotation{"model-image", [](A& a, const std::string& v) { a.model_image = parse_text(v, kImageName); }},
    KnownAnnotation{"storage", [](A& a, const std::string& v) { a.storage = parse_text(v, kStoreOrClaimName); }},
    KnownAnnotation{"gpus", [](A& a, const std::string& v) { a.gpus = parse_whole_number(v, 0, kMaxGpus); }},
    KnownAnnotation{"shm-size", [](A& a, const std::string& v) { a.shm_size_bytes = parse_bytes(v); }},
    KnownAnnotation{
        "containers",
        [](A& a, const std::string& v) { a.containers = parse_list(v, kContainerName, "container names"); }},
    KnownAnnotation{"api-key-secret",
                    [](A& a, const std::string& v) { a.api_key_secret = parse_text(v, kSecretName); }},
    KnownAnnotation{"probe-path", [](A& a, const std::string& v) { a.probe_path = parse_text(v, kUrlPath); }},
    KnownAnnotation{"provisioner",
                    [](A& a, const std::string& v) {
                      a.provisioner =
                          parse_text(v, kProvisioner) == "karpenter" ? Provisioner::kKarpenter : Provisioner::kAutoMode;
                    }},
    KnownAnnotation{"instance-category",
                    [](A& a, const std::string& v) {
                      a.nodes.instance_categories = parse_list(v, kInstanceCategory, "instance categories such as g");
                    }},
    KnownAnnotation{"instance-family",
                    [](A& a, const std::string& v) {
                      a.nodes.instance_families = parse_list(v, kInstanceFamily, "instance families such as g6e");
                    }},
    KnownAnnotation{
        "min-instance-generation",
        [](A& a, const std::string& v) { a.nodes.instance_generation = parse_whole_number(v, 1, kMaxGeneration); }},
    KnownAnnotation{
        "gpu-name",
        [](A& a, const std::string& v) { a.nodes.gpu_names = parse_list(v, kGpuName, "GPU names such as l40s"); }},
    KnownAnnotation{"min-gpu-memory", [](A& a, const std::string& v) { a.nodes.gpu_memory_bytes = parse_bytes(v); }},
    KnownAnnotation{"gpu-count", [](A& a, const std::string& v) { a.nodes.gpu_counts = parse_gpu_counts(v); }},
    KnownAnnotation{"capacity-type",
                    [](A& a, const std::string& v) {
                      a.nodes.capacity_types = parse_list(v, kCapacityType, "on-demand, spot or reserved,");
                    }},
    KnownAnnotation{
        "zone", [](A& a, const std::string& v) { a.nodes.zones = parse_list(v, kZone, "zones such as us-west-2a"); }},
    KnownAnnotation{"image-rewrite", [](A& a, const std::string& v) { a.image_rewrite = parse_boolean(v); }},
    KnownAnnotation{"environment", [](A& a, const std::string& v) { a.environment = parse_boolean(v); }},
    KnownAnnotation{"placement", [](A& a, const std::string& v) { a.placement = parse_boolean(v); }},
    KnownAnnotation{"probes", [](A& a, const std::string& v) { a.probes = parse_boolean(v); }},
    KnownAnnotation{"hardening", [](A& a, const std::string& v) { a.hardening = parse_boolean(v); }},
    KnownAnnotation{"disruption", [](A& a, const std::string& v) { a.disruption = parse_boolean(v); }},
};

std::string unknown_annotation(std::string_view key) {
  std::vector<std::string> known;
  for (const KnownAnnotation& annotation : kKnown) known.emplace_back(annotation.key);
  const std::string meant = closest_match(key.substr(kAnnotationPrefix.size(), kMaxNameLength), known);
  const std::string question = "; did you mean " + std::string(kAnnotationPrefix) + meant + "?";
  return "unknown annotation " + in_quotes(key) + (meant.empty() ? "" : question);
}

std::string hash8(std::string_view text) {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  std::array<char, 9> hex{};
  std::snprintf(hex.data(), hex.size(), "%08x", hash);
  return hex.data();
}

}  // namespace

const Json& annotations_of(const Json& object) {
  static const Json none = Json::object();
  const Json& annotations = member(member(object, "metadata"), "annotations");
  return annotations.is_object() ? annotations : none;
}

std::optional<bool> injection_choice(const Json& object) {
  const Json& value = member(annotations_of(object), kInjectAnnotation);
  return value.is_null() ? std::nullopt : std::optional(value != "false");
}

ParsedAnnotations parse_annotations(const Json& object) {
  ParsedAnnotations parsed;
  for (const auto& [key, value] : annotations_of(object).items()) {
    if (!key.starts_with(kAnnotationPrefix) || is_written_by_us(key)) continue;
    const std::string_view name = std::string_view(key).substr(kAnnotationPrefix.size());
    const auto* known =
        std::find_if(kKnown.begin(), kKnown.end(), [&](const KnownAnnotation& a) { return a.key == name; });
    if (known == kKnown.end()) {
      parsed.problems.push_back(unknown_annotation(key));
      continue;
    }
    const std::string text = value.is_string() ? value.get<std::string>() : std::string();
    try {
      known->read(parsed.values, text);
    } catch (const AnnotationError& error) {
      parsed.problems.push_back("annotation " + key + ": " + in_quotes(text) + " " + error.what());
    }
  }
  return parsed;
}

bool is_written_by_us(std::string_view key) {
  if (!key.starts_with(kAnnotationPrefix)) return false;
  return key == kInjectedAnnotation || key == kPropagatedAnnotation ||
         key.substr(kAnnotationPrefix.size()).starts_with(kOriginalImagePrefix);
}

std::string original_image_annotation(const std::string& container) {
  const std::size_t room = kMaxNameLength - kOriginalImagePrefix.size();
  std::string name = container;
  if (name.size() > room) name = name.substr(0, room - 9) + "-" + hash8(container);
  return std::string(kAnnotationPrefix) + std::string(kOriginalImagePrefix) + name;
}

std::string in_quotes(std::string_view value) {
  constexpr std::size_t kMaxLength = 60;
  if (value.size() <= kMaxLength) return "'" + std::string(value) + "'";
  std::size_t end = kMaxLength;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80) --end;  // never inside a UTF-8 character
  return "'" + std::string(value.substr(0, end)) + "…'";
}

}  // namespace gpuinfer::policies
