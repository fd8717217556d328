// How the plugin reaches a gpuinfer-server, whether it runs in a cluster or on this machine.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace gpuinfer::plugin {

/// A long prompt on a slow processor: how long a server may be silent before the next piece of an answer.
inline constexpr std::chrono::seconds kTokenTimeout{600};

/// A finished HTTP answer.
struct HttpAnswer {
  int status = 0;
  std::string body;
};

/// One server. The paths are the server's own ("/v1/models").
class ServerConnection {
 public:
  virtual ~ServerConnection() = default;

  /// Throws Error where the server cannot be reached.
  virtual HttpAnswer get(const std::string& path) = 0;

  /// Posts JSON. The body of a 200 answer goes to `on_piece` as it comes, and is not kept; returning false from it ends
  /// the connection. The body of any other answer is returned. Throws Error where the server cannot be reached or the
  /// connection breaks.
  virtual HttpAnswer post(const std::string& path, const std::string& body,
                          const std::function<bool(std::string_view piece)>& on_piece) = 0;
};

}  // namespace gpuinfer::plugin
