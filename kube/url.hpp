// The address of a server, taken apart; and whether to go there through a proxy.
#pragma once

#include <string>

#include "kube/kubeconfig.hpp"

namespace gpuinfer::kube {

/// "https://[::1]:6443/prefix" in parts.
struct Url {
  std::string scheme;          ///< lower case: "https"
  std::string user_info = {};  ///< "user:password", mostly empty
  std::string host;            ///< without brackets
  int port = 0;                ///< the scheme's own where the text names none
  std::string path = {};       ///< without a slash at its end: "" or "/prefix"
};

/// Throws Error saying that `text`, called `what` in the message, is no URL.
Url parse_url(const std::string& text, const std::string& what);

/// "host:port", an IPv6 address in brackets.
std::string authority(const Url& url);

/// The proxy of the environment for `server`, "" for none. Loopback addresses never go through a proxy; NO_PROXY lists
/// host names, domain suffixes or "*", separated by commas.
std::string environment_proxy(const std::string& server, const Environment& environment);

}  // namespace gpuinfer::kube
