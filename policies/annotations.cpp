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

/// The parts of `value` between commas, without the spaces around them.
std::vector<std::string> parse_list(const std::string& value, const Grammar& element) {
  std::vector<std::string> list;
  std::size_t start = 0;
  while (start <= value.size()) {
    const std::size_t end = std::min(value.find(',', start), value.size());
    std::string item = value.substr(start, end - start);
    item.erase(0, std::min(item.find_first_not_of(' '), item.size()));
    item.erase(item.find_last_not_of(' ') + 1);
    if (!element.accepts(item)) {
      throw AnnotationError(std::string("must be a list with commas, each item ") + element.description);
    }
    list.push_back(std::move(item));
    start = end + 1;
  }
  return list;
}

constexpr Grammar kModelName{is_model_name, "a model's name such as openai/gpt-oss-20b"};
constexpr Grammar kSecretName{is_dns_subdomain, "the name of a Secret"};
constexpr Grammar kContainerName{is_dns_label, "the name of a container"};
constexpr std::int64_t kMaxGeneration = 99;

using Reader = void (*)(Annotations&, const std::string& value);

template <std::optional<bool> Annotations::*member>
void read_switch(Annotations& annotations, const std::string& value) {
  annotations.*member = parse_boolean(value);
}

template <std::string Annotations::*member, const Grammar& grammar>
void read_text(Annotations& annotations, const std::string& value) {
  annotations.*member = parse_text(value, grammar);
}

template <std::vector<std::string> NodeRequirements::*member, const Grammar& element>
void read_node_list(Annotations& annotations, const std::string& value) {
  annotations.nodes.*member = parse_list(value, element);
}

void read_inject(Annotations& annotations, const std::string& value) { annotations.inject = parse_boolean(value); }

void read_gpus(Annotations& annotations, const std::string& value) {
  annotations.gpus = parse_whole_number(value, 0, kMaxGpus);
}

void read_shm_size(Annotations& annotations, const std::string& value) {
  annotations.shm_size_bytes = parse_bytes(value);
}

void read_containers(Annotations& annotations, const std::string& value) {
  annotations.containers = parse_list(value, kContainerName);
}

void read_provisioner(Annotations& annotations, const std::string& value) {
  const bool is_karpenter = parse_text(value, kProvisioner) == "karpenter";
  annotations.provisioner = is_karpenter ? Provisioner::kKarpenter : Provisioner::kAutoMode;
}

void read_min_generation(Annotations& annotations, const std::string& value) {
  annotations.nodes.instance_generation = parse_whole_number(value, 1, kMaxGeneration);
}

void read_min_gpu_memory(Annotations& annotations, const std::string& value) {
  annotations.nodes.gpu_memory_bytes = parse_bytes(value);
}

void read_gpu_counts(Annotations& annotations, const std::string& value) {
  annotations.nodes.gpu_counts.clear();
  for (const std::string& count : parse_list(value, kAnyText)) {
    annotations.nodes.gpu_counts.push_back(parse_whole_number(count, 1, kMaxGpus));
  }
}

struct KnownAnnotation {
  std::string_view key;
  Reader read;
};

constexpr std::array kKnown{
    KnownAnnotation{"inject", read_inject},
    KnownAnnotation{"model", read_text<&Annotations::model, kModelName>},
    KnownAnnotation{"model-image", read_text<&Annotations::model_image, kImageName>},
    KnownAnnotation{"storage", read_text<&Annotations::storage, kStoreOrClaimName>},
    KnownAnnotation{"gpus", read_gpus},
    KnownAnnotation{"shm-size", read_shm_size},
    KnownAnnotation{"containers", read_containers},
    KnownAnnotation{"api-key-secret", read_text<&Annotations::api_key_secret, kSecretName>},
    KnownAnnotation{"probe-path", read_text<&Annotations::probe_path, kUrlPath>},
    KnownAnnotation{"provisioner", read_provisioner},
    KnownAnnotation{"instance-category", read_node_list<&NodeRequirements::instance_categories, kInstanceCategory>},
    KnownAnnotation{"instance-family", read_node_list<&NodeRequirements::instance_families, kInstanceFamily>},
    KnownAnnotation{"min-instance-generation", read_min_generation},
    KnownAnnotation{"gpu-name", read_node_list<&NodeRequirements::gpu_names, kGpuName>},
    KnownAnnotation{"min-gpu-memory", read_min_gpu_memory},
    KnownAnnotation{"gpu-count", read_gpu_counts},
    KnownAnnotation{"capacity-type", read_node_list<&NodeRequirements::capacity_types, kCapacityType>},
    KnownAnnotation{"zone", read_node_list<&NodeRequirements::zones, kZone>},
    KnownAnnotation{"image-rewrite", read_switch<&Annotations::image_rewrite>},
    KnownAnnotation{"environment", read_switch<&Annotations::environment>},
    KnownAnnotation{"placement", read_switch<&Annotations::placement>},
    KnownAnnotation{"probes", read_switch<&Annotations::probes>},
    KnownAnnotation{"hardening", read_switch<&Annotations::hardening>},
    KnownAnnotation{"disruption", read_switch<&Annotations::disruption>},
};

std::string unknown_annotation(std::string_view key) {
  std::vector<std::string> known;
  known.reserve(kKnown.size());
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
