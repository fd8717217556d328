// Command-line options that several commands share, spelt as kubectl spells them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace gpuinfer::plugin {

/// Which cluster, as every command takes it.
struct GlobalOptions {
  std::string kubeconfig;
  std::string context;
  std::string namespace_name;
  std::string request_timeout;

  /// True where the user named a cluster or a namespace: then a local deployment of the same name is not meant.
  bool names_cluster() const { return !kubeconfig.empty() || !context.empty() || !namespace_name.empty(); }
};

/// Adds --kubeconfig, --context, -n/--namespace and --request-timeout to `command`, in a group of their own in its
/// help.
void add_global_options(CLI::App& command, GlobalOptions& options);

/// `validator` without its description in the help, where the option's own text says what it takes.
CLI::Validator quiet(CLI::Validator validator);

/// Adds -o/--output with the given formats.
void add_output_option(CLI::App& command, std::string& output,
                       const std::vector<std::string>& formats = {"yaml", "json"});

/// Adds --local: this machine instead of a cluster.
void add_local_option(CLI::App& command, bool& local);

/// Adds --dry-run=none|client|server, as kubectl has it.
void add_dry_run_option(CLI::App& command, std::string& dry_run);

/// Adds --wait, which is on unless it says --wait=false: as kubectl has it.
void add_wait_option(CLI::App& command, bool& wait, const std::string& what);

/// Adds --timeout, a duration with a default.
void add_timeout_option(CLI::App& command, std::string& timeout);

}  // namespace gpuinfer::plugin
