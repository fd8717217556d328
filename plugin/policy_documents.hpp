// The policy documents that a command line, or a cluster, names.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "kube/client.hpp"
#include "policies/policy_set.hpp"

namespace gpuinfer::plugin {

struct PolicyOptions {
  std::vector<std::string> paths;  ///< --policy: files and folders; none: the default document
  std::string registry;            ///< --ecr; empty: as the documents say
};

/// Policy documents and their texts, which are what gets installed: comments and all.
struct PolicyDocuments {
  std::vector<policies::PolicyFile> files;
  policies::PolicySet policies;
};

/// Adds --policy and --ecr.
void add_policy_options(CLI::App& command, PolicyOptions& options);

/// The files that `paths` name: a folder stands for every *.yaml in it, by name, as for the webhook's own --policy; "-"
/// for standard input. No path at all is the default document. Nothing is checked yet. Throws Error.
std::vector<policies::PolicyFile> read_policy_files(const std::vector<std::string>& paths);

/// Reads and checks the documents. Throws Error.
PolicyDocuments load_policies(const PolicyOptions& options);

/// The documents that the cluster's webhook uses; nothing where it is not installed. Throws ApiError, also where the
/// user may not read them.
std::optional<PolicyDocuments> installed_policies(kube::Client& client);

/// The same, an Error where the webhook is not installed.
PolicyDocuments require_installed_policies(kube::Client& client);

}  // namespace gpuinfer::plugin
