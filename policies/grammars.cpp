#include "policies/grammars.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "policies/ecr.hpp"
#include "policies/image_reference.hpp"

namespace gpuinfer::policies {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// No empty part, none that starts with a dot (so there is no way out), no colon (it ends a path in a mount's options).
bool has_plain_parts(std::string_view path) {
  return !path.empty() && path.front() != '/' && path.front() != '.' && path.back() != '/' &&
         path.find(':') == std::string_view::npos && path.find("//") == std::string_view::npos &&
         path.find("/.") == std::string_view::npos;
}

/// True where `beginning`, with a path behind it, is a reference into that same place.
bool begins_reference(const std::string& beginning) {
  const std::string probe = beginning + "/any/image";
  return is_image_reference(probe) && to_string(parse_image_reference(probe)) == probe;
}

}  // namespace

bool is_namespace_glob(std::string_view text) {
  std::string name(text);
  std::replace(name.begin(), name.end(), '*', 'x');
  return is_dns_label(name);
}

bool is_extended_resource(std::string_view text) {
  const std::size_t slash = text.find('/');
  return slash != std::string_view::npos && is_dns_subdomain(text.substr(0, slash)) &&
         is_dns_subdomain(text.substr(slash + 1));
}

bool is_registry_or_empty(std::string_view text) {
  return text.empty() || (begins_reference(std::string(text)) && !is_misspelled_ecr(text.substr(0, text.find('/'))));
}

bool is_upstream(std::string_view text) {
  const std::string_view host = text.substr(0, text.find('/'));
  return names_registry(text) && begins_reference(std::string(text)) && canonical_registry(host) == host;
}

bool is_rewrite_target(std::string_view text) {
  if (names_registry(text)) return is_registry_or_empty(text);
  return text.empty() || begins_reference("registry.example/" + std::string(text));
}

bool is_image_reference(std::string_view text) {
  try {
    parse_image_reference(text);
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool is_image_of_models(std::string_view text) {
  constexpr std::string_view kPlaceholder = "{model}";
  std::string probe(text);
  const std::size_t at = probe.find(kPlaceholder);
  if (at == std::string::npos) return false;
  return is_image_reference(probe.replace(at, kPlaceholder.size(), "owner/model"));
}

bool is_absolute_path(std::string_view text) { return text.starts_with('/') && has_plain_parts(text.substr(1)); }

bool is_folder(std::string_view text) { return has_plain_parts(text); }

bool is_url_path(std::string_view text) {
  return text.starts_with('/') && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

bool is_duration(std::string_view text) {
  // Numbers with the units h, m and s, each at most once and in this order; all of them together not zero.
  std::string_view units = "hms";
  bool is_zero = true;
  if (text.empty()) return false;
  while (!text.empty()) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    constexpr std::size_t kMaxDigits = 6;
    if (digits == 0 || digits > kMaxDigits || digits == text.size()) return false;
    const std::size_t unit = units.find(text[digits]);
    if (unit == std::string_view::npos) return false;
    is_zero = is_zero && text.substr(0, digits).find_first_not_of('0') == std::string_view::npos;
    units.remove_prefix(unit + 1);
    text.remove_prefix(digits + 1);
  }
  return !is_zero;
}

bool is_environment_variable(std::string_view text) {
  return !text.empty() && !is_digit(text.front()) && std::all_of(text.begin(), text.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
}

bool is_zone(std::string_view text) { return is_dns_label(text) && text.find('-') != std::string_view::npos; }

bool is_zone_id(std::string_view zone) { return zone.find("-az") != std::string_view::npos; }

std::string problem_of_zones(const std::vector<std::string>& zones) {
  const auto id = std::ranges::find_if(zones, is_zone_id);
  const auto name = std::ranges::find_if_not(zones, is_zone_id);
  if (id == zones.end() || name == zones.end()) return "";
  return "zones are asked for by name (" + *name + ") and by ID (" + *id + "); no node could be in both lists";
}

bool is_node_label_value(std::string_view text) { return !text.empty() && is_label_value(text); }

}  // namespace gpuinfer::policies
