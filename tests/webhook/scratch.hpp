// A webhook with files of its own: certificates, a policy document, and a server on free ports.
#pragma once

#include <filesystem>
#include <string>

#include "kube/certificate.hpp"
#include "webhook/server.hpp"

namespace gpuinfer::webhook {

/// Puts `pair` into `folder` as kubelet updates a Secret volume: tls.crt and tls.key point through the link ..data into
/// a folder for each version, and the link is swapped in one step.
void mount_secret(const std::filesystem::path& folder, const kube::KeyedCertificate& pair);

/// Options for a server on free ports that looks at its files every 20 ms.
ServerOptions scratch_options();

/// Calls `is_true` every few milliseconds until it is, for at most ten seconds.
template <typename Condition>
bool eventually(Condition is_true) {
  for (int i = 0; i < 1000; ++i) {
    if (is_true()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace gpuinfer::webhook
