// The policy document that a command line names.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "policies/policy_set.hpp"

namespace gpuinfer::plugin {

struct PolicyOptions {
  std::string file;      ///< --policy; empty: the default document
  std::string registry;  ///< --ecr; empty: as the document says
};

/// A policy document and its text, which is what gets installed: comments and all.
struct PolicyFile {
  std::string text;
  policies::PolicySet policies;
};

/// Adds --policy and --ecr.
void add_policy_options(CLI::App& command, PolicyOptions& options);

/// Reads and checks the document. Throws Error.
PolicyFile load_policy(const PolicyOptions& options);

}  // namespace gpuinfer::plugin
