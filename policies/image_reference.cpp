#include "policies/image_reference.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "policies/annotations.hpp"

namespace gpuinfer::policies {

namespace {

constexpr std::string_view kDockerHub = "docker.io";
constexpr std::size_t kMaxNameLength = 255;
constexpr std::size_t kMaxTagLength = 128;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_lower_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

template <typename Predicate>
bool all_of(std::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

[[noreturn]] void fail(std::string_view text, const char* reason) {
  throw Error(in_quotes(text) + " is not an image reference: " + reason,
              "write it as [HOST[:PORT]/]PATH[:TAG][@DIGEST]");
}

/// Calls `check` for each part of `text` between separators; true when all are accepted.
template <typename Predicate>
bool all_parts(std::string_view text, char separator, Predicate check) {
  while (true) {
    const std::size_t end = text.find(separator);
    if (!check(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

/// domain-component: letters, digits and inner hyphens.
bool is_domain_component(std::string_view part) {
  return !part.empty() && part.front() != '-' && part.back() != '-' &&
         all_of(part, [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
}

bool is_host(std::string_view host) {
  if (host.starts_with('[')) {
    return host.size() > 2 && host.ends_with(']') && all_of(host.substr(1, host.size() - 2), [](char c) {
             return is_digit(c) || is_lower_hex(c) || (c >= 'A' && c <= 'F') || c == ':';
           });
  }
  return all_parts(host, '.', is_domain_component);
}

bool is_registry(std::string_view registry) {
  const std::size_t colon = registry.rfind(':');
  const bool has_port = colon != std::string_view::npos && !registry.ends_with(']');
  if (!has_port) return is_host(registry);
  const std::string_view port = registry.substr(colon + 1);
  return is_host(registry.substr(0, colon)) && !port.empty() && all_of(port, is_digit);
}

/// path-component: runs of [a-z0-9] with one separator between them: ".", "_", "__" or any number of "-".
bool is_path_component(std::string_view part) {
  std::size_t i = 0;
  const auto skip_alphanumeric = [&] {
    const std::size_t start = i;
    while (i < part.size() && (is_lower(part[i]) || is_digit(part[i]))) ++i;
    return i > start;
  };
  if (!skip_alphanumeric()) return false;
  while (i < part.size()) {
    if (part[i] == '-') {
      while (i < part.size() && part[i] == '-') ++i;
    } else if (part.substr(i).starts_with("__")) {
      i += 2;
    } else if (part[i] == '.' || part[i] == '_') {
      ++i;
    } else {
      return false;
    }
    if (!skip_alphanumeric()) return false;
  }
  return true;
}

bool is_tag(std::string_view tag) {
  const auto is_word = [](char c) { return is_letter(c) || is_digit(c) || c == '_'; };
  return !tag.empty() && tag.size() <= kMaxTagLength && is_word(tag.front()) &&
         all_of(tag, [&](char c) { return is_word(c) || c == '.' || c == '-'; });
}

/// ALGORITHM:HEX, with the length that the registered algorithms have.
bool is_digest(std::string_view digest) {
  const std::size_t colon = digest.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view algorithm = digest.substr(0, colon);
  const std::string_view hex = digest.substr(colon + 1);
  if (!all_of(hex, is_lower_hex)) return false;
  if (algorithm == "sha256") return hex.size() == 64;
  if (algorithm == "sha384") return hex.size() == 96;
  if (algorithm == "sha512") return hex.size() == 128;
  return false;
}

/// The first path component is a host only where it looks like one; "myorg/app" is on Docker Hub.
bool looks_like_host(std::string_view component) {
  return names_registry(component) ||
         std::any_of(component.begin(), component.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

bool names_registry(std::string_view text) {
  const std::string_view first = text.substr(0, text.find('/'));
  return first == "localhost" || first.find_first_of(".:") != std::string_view::npos;
}

std::string_view canonical_registry(std::string_view host) {
  return host == "index.docker.io" || host == "registry-1.docker.io" ? kDockerHub : host;
}

ImageReference parse_image_reference(std::string_view text) {
  std::string_view name = text;
  ImageReference reference;

  if (const std::size_t at = name.find('@'); at != std::string_view::npos) {
    reference.digest = name.substr(at + 1);
    name = name.substr(0, at);
    if (!is_digest(reference.digest)) fail(text, "the digest after '@' is not sha256:, sha384: or sha512: and its hex");
  }
  const std::size_t last_slash = name.rfind('/');
  const std::size_t path_start = last_slash == std::string_view::npos ? 0 : last_slash + 1;
  if (const std::size_t colon = name.find(':', path_start); colon != std::string_view::npos) {
    reference.tag = name.substr(colon + 1);
    name = name.substr(0, colon);
    if (!is_tag(reference.tag)) fail(text, "the tag after ':' has a character or a length that tags cannot have");
  }

  const std::size_t slash = name.find('/');
  if (slash != std::string_view::npos && looks_like_host(name.substr(0, slash))) {
    if (!is_registry(name.substr(0, slash))) fail(text, "the part before the first '/' is not HOST or HOST:PORT");
    reference.registry = canonical_registry(name.substr(0, slash));
    reference.repository = name.substr(slash + 1);
  } else {
    reference.registry = kDockerHub;
    reference.repository = name;
  }
  if (reference.repository.empty()) fail(text, "it has no repository");
  if (!all_parts(reference.repository, '/', is_path_component)) {
    fail(text, "a repository is lower-case letters and digits, with '.', '_', '__' or '-' between them");
  }
  const bool official_image = reference.registry == kDockerHub && reference.repository.find('/') == std::string::npos;
  if (official_image && reference.repository.size() == 64 && all_of(reference.repository, is_lower_hex)) {
    fail(text, "64 hexadecimal digits name an image's ID, not a repository");
  }
  if (official_image) reference.repository.insert(0, "library/");
  if (reference.registry.size() + 1 + reference.repository.size() > kMaxNameLength) {
    fail(text, "its name is longer than 255 characters");
  }
  return reference;
}

std::string to_string(const ImageReference& reference) {
  std::string text = reference.registry + "/" + reference.repository;
  if (!reference.tag.empty()) text += ":" + reference.tag;
  if (!reference.digest.empty()) text += "@" + reference.digest;
  return text;
}

}  // namespace gpuinfer::policies
