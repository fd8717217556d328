// What proves to the API server who we are, kept fresh.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "kube/kubeconfig.hpp"

namespace gpuinfer::kube {

/// What goes into one request. Either part may be empty.
struct Credential {
  std::string authorization;                   ///< value of the Authorization header
  std::string client_certificate, client_key;  ///< PEM, for the TLS handshake

  bool operator==(const Credential&) const = default;
};

/// Turns a User into credentials. Safe to use from several threads.
class Credentials {
 public:
  explicit Credentials(User user, Cluster cluster = {});

  /// The credential to use now. Reads a token file again when it is a minute old, and runs an exec plugin when there is
  /// no answer of it yet or that has expired. Throws Error when either fails, Interrupted when `stop` asks for it.
  Credential current(std::stop_token stop = {});

  /// The server answered 401 to `refused`: forgets it, if it is still the one in use. True where a second try with a
  /// new current() makes sense (exec plugin, token file).
  bool renew(const Credential& refused);

 private:
  Credential fetch(std::stop_token stop);

  const User user_;
  const Cluster cluster_;
  std::mutex mutex_;
  std::optional<Credential> cached_;
  std::optional<std::chrono::sys_seconds> expires_;
};

}  // namespace gpuinfer::kube
