#include "kube/url.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <sstream>

namespace gpuinfer::kube {

namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool is_loopback(const std::string& host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

bool matches(const std::string& host, std::string pattern) {
  if (pattern == "*") return true;
  if (pattern.starts_with("*.")) pattern.erase(0, 1);
  if (pattern.starts_with(".")) return host.ends_with(pattern) || host == pattern.substr(1);
  return !pattern.empty() && (host == pattern || host.ends_with("." + pattern));
}

}  // namespace

Url parse_url(const std::string& text, const std::string& what) {
  const auto fail = [&](const std::string& reason) -> Error {
    return Error(what + " '" + text + "' is no URL: " + reason, "it should look like https://HOST:PORT");
  };
  Url url;
  const std::size_t scheme_end = text.find("://");
  if (scheme_end == std::string::npos) throw fail("it has no scheme");
  url.scheme = lower(text.substr(0, scheme_end));

  const std::size_t authority_start = scheme_end + 3;
  const std::size_t authority_end = std::min(text.find_first_of("/?#", authority_start), text.size());
  std::string authority = text.substr(authority_start, authority_end - authority_start);
  if (const std::size_t at = authority.rfind('@'); at != std::string::npos) {
    url.user_info = authority.substr(0, at);
    authority.erase(0, at + 1);
  }
  std::string port;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string::npos) throw fail("']' is missing");
    url.host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
  } else {
    const std::size_t colon = std::min(authority.find(':'), authority.size());
    url.host = authority.substr(0, colon);
    port = authority.substr(colon);
  }
  const auto printable = [](unsigned char c) { return c > ' ' && c < 0x7f; };
  if (url.host.empty() || !std::ranges::all_of(url.host, printable)) throw fail("it has no host");
  url.host = lower(url.host);

  url.port = url.scheme == "https" ? 443 : 80;
  if (!port.empty()) {
    const char* end = port.data() + port.size();
    const auto [parsed, error] = std::from_chars(port.data() + 1, end, url.port);
    if (port[0] != ':' || error != std::errc{} || parsed != end || url.port < 1 || url.port > 65535) {
      throw fail("bad port");
    }
  }

  url.path = text.substr(authority_end);
  if (url.path.find_first_of("?#") != std::string::npos) throw fail("it must not have a query");
  if (!std::ranges::all_of(url.path, printable)) throw fail("its path holds a character that must be percent-encoded");
  while (url.path.ends_with('/')) url.path.pop_back();
  return url;
}

std::string authority(const Url& url) {
  const bool is_ipv6 = url.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + url.host + "]" : url.host) + ":" + std::to_string(url.port);
}

std::string environment_proxy(const std::string& server, const Environment& environment) {
  if (environment.https_proxy.empty()) return "";
  const Url url = parse_url(server, "server");
  if (url.scheme != "https" || is_loopback(url.host)) return "";
  std::istringstream patterns(environment.no_proxy);
  for (std::string pattern; std::getline(patterns, pattern, ',');) {
    std::erase_if(pattern, [](unsigned char c) { return std::isspace(c) != 0; });
    if (matches(url.host, lower(pattern))) return "";
  }
  const bool has_scheme = environment.https_proxy.find("://") != std::string::npos;
  return (has_scheme ? "" : "http://") + environment.https_proxy;
}

}  // namespace gpuinfer::kube
