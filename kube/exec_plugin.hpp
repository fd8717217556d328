// Runs an exec credential plugin, such as `aws eks get-token`.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

#include "kube/credentials.hpp"
#include "kube/kubeconfig.hpp"

namespace gpuinfer::kube {

/// The status of an ExecCredential object.
struct ExecCredential {
  Credential credential;
  std::optional<std::chrono::sys_seconds> expires;  ///< none: good until the server refuses it
};

/// Runs `plugin` with KUBERNETES_EXEC_INFO set and reads its answer. Its standard error is ours; its standard input too
/// where the plugin may ask questions and there is a terminal. Throws Error (command missing, with its install hint;
/// failed; an answer that is no ExecCredential of the same version) and Interrupted, after ending the plugin.
ExecCredential run_exec_plugin(const ExecPlugin& plugin, const Cluster& cluster, std::stop_token stop = {});

/// Reads a plugin's answer. Throws Error naming `command`.
ExecCredential parse_exec_credential(const std::string& text, const std::string& api_version,
                                     const std::string& command);

}  // namespace gpuinfer::kube
