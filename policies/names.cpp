#include "policies/names.hpp"

#include <algorithm>

namespace gpuinfer::policies {

namespace {

constexpr std::size_t kMaxLabelLength = 63;
constexpr std::size_t kMaxSubdomainLength = 253;
constexpr int kMaxModelNameParts = 4;

bool is_lower_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_domain_part(std::string_view part) {
  return !part.empty() && part.front() != '-' && part.back() != '-' &&
         std::all_of(part.begin(), part.end(), [](char c) { return is_lower_alphanumeric(c) || c == '-'; });
}

bool is_model_name_part(std::string_view part) {
  return !part.empty() && part.front() != '.' && std::all_of(part.begin(), part.end(), [](char c) {
    return is_lower_alphanumeric(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
  });
}

}  // namespace

bool is_dns_label(std::string_view name) { return name.size() <= kMaxLabelLength && is_domain_part(name); }

bool is_dns_subdomain(std::string_view name) {
  if (name.size() > kMaxSubdomainLength) return false;
  while (true) {
    const std::size_t dot = name.find('.');
    if (!is_domain_part(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

bool is_label_value(std::string_view value) {
  const auto is_alphanumeric = [](char c) { return is_lower_alphanumeric(c) || (c >= 'A' && c <= 'Z'); };
  if (value.empty()) return true;
  return value.size() <= kMaxLabelLength && is_alphanumeric(value.front()) && is_alphanumeric(value.back()) &&
         std::all_of(value.begin(), value.end(),
                     [&](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_label_key(std::string_view key) {
  const std::size_t slash = key.find('/');
  if (slash == std::string_view::npos) return !key.empty() && is_label_value(key);
  return is_dns_subdomain(key.substr(0, slash)) && slash + 1 < key.size() && is_label_value(key.substr(slash + 1));
}

bool is_model_name(std::string_view name) {
  if (name.size() > kMaxSubdomainLength) return false;
  for (int part = 0; part < kMaxModelNameParts; ++part) {
    const std::size_t slash = name.find('/');
    if (!is_model_name_part(name.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
  return false;
}

}  // namespace gpuinfer::policies
