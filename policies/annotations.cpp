#include "policies/annotations.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "policies/names.hpp"
#include "policies/pod.hpp"
#include "policies/quantity.hpp"

namespace gpuinfer::policies {

namespace {

constexpr std::string_view kOriginalImagePrefix = "original-image.";

bool parse_boolean(const std::string& value) {
  if (value == "true") return true;
  if (value == "false") return false;
  throw AnnotationError(R"(must be "true" or "false")");
}

std::int64_t parse_gpus(const std::string& value) {
  std::int64_t number = -1;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size() || number < 0 || number > kMaxGpus) {
    throw AnnotationError("must be a whole number from 0 to 1024");
  }
  return number;
}

std::int64_t parse_shm_size(const std::string& value) {
  std::int64_t bytes = 0;
  try {
    bytes = parse_quantity(value);
  } catch (const Error&) {
    throw AnnotationError("must be a quantity such as 8Gi");
  }
  if (bytes <= 0) throw AnnotationError("must be larger than zero");
  return bytes;
}

std::string parse_model(const std::string& value) {
  if (!is_model_name(value)) {
    throw AnnotationError("must be a model's name such as openai/gpt-oss-20b");
  }
  return value;
}

std::string parse_storage(const std::string& value) {
  if (!is_dns_subdomain(value)) {
    throw AnnotationError("must be a store's name such as s3, or the name of a PersistentVolumeClaim");
  }
  return value;
}

std::vector<std::string> parse_containers(const std::string& value) {
  std::vector<std::string> names;
  std::size_t start = 0;
  while (start <= value.size()) {
    const std::size_t end = std::min(value.find(',', start), value.size());
    std::string name = value.substr(start, end - start);
    name.erase(0, std::min(name.find_first_not_of(' '), name.size()));
    name.erase(name.find_last_not_of(' ') + 1);
    if (!is_dns_label(name)) throw AnnotationError("must be container names separated by commas");
    names.push_back(name);
    start = end + 1;
  }
  return names;
}

struct KnownAnnotation {
  std::string_view key;
  void (*read)(Annotations&, const std::string& value);
};

constexpr std::array kKnown{
    KnownAnnotation{"inject", [](Annotations& a, const std::string& value) { a.inject = parse_boolean(value); }},
    KnownAnnotation{"model", [](Annotations& a, const std::string& value) { a.model = parse_model(value); }},
    KnownAnnotation{"storage", [](Annotations& a, const std::string& value) { a.storage = parse_storage(value); }},
    KnownAnnotation{"gpus", [](Annotations& a, const std::string& value) { a.gpus = parse_gpus(value); }},
    KnownAnnotation{"shm-size",
                    [](Annotations& a, const std::string& value) { a.shm_size_bytes = parse_shm_size(value); }},
    KnownAnnotation{"containers",
                    [](Annotations& a, const std::string& value) { a.containers = parse_containers(value); }},
    KnownAnnotation{"image-rewrite",
                    [](Annotations& a, const std::string& value) { a.image_rewrite = parse_boolean(value); }},
    KnownAnnotation{"placement", [](Annotations& a, const std::string& value) { a.placement = parse_boolean(value); }},
    KnownAnnotation{"probes", [](Annotations& a, const std::string& value) { a.probes = parse_boolean(value); }},
    KnownAnnotation{"hardening", [](Annotations& a, const std::string& value) { a.hardening = parse_boolean(value); }},
};

std::string known_keys() {
  std::string text;
  for (const KnownAnnotation& annotation : kKnown) text += (text.empty() ? "" : ", ") + std::string(annotation.key);
  return text;
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
      parsed.problems.push_back("unknown annotation " + in_quotes(key) + " (known: " + known_keys() + ")");
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
  return key == kInjectedAnnotation || key.substr(kAnnotationPrefix.size()).starts_with(kOriginalImagePrefix);
}

std::string original_image_annotation(const std::string& container) {
  constexpr std::size_t kMaxNameLength = 63;
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
