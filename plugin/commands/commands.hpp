// The commands of kubectl-gpuinfer: each function adds one to the program, with its options, its help, and what it does
// when it is called.
#pragma once

#include <CLI/CLI.hpp>

#include "plugin/options.hpp"

namespace gpuinfer::plugin {

void add_models_command(CLI::App& program, GlobalOptions& global);
void add_install_command(CLI::App& program, GlobalOptions& global);
void add_doctor_command(CLI::App& program, GlobalOptions& global);
void add_uninstall_command(CLI::App& program, GlobalOptions& global);
void add_deploy_command(CLI::App& program, GlobalOptions& global);
void add_status_command(CLI::App& program, GlobalOptions& global);
void add_chat_command(CLI::App& program, GlobalOptions& global);
void add_logs_command(CLI::App& program, GlobalOptions& global);
void add_delete_command(CLI::App& program, GlobalOptions& global);
void add_scaffold_command(CLI::App& program, GlobalOptions& global);
void add_preview_command(CLI::App& program, GlobalOptions& global);
void add_explain_command(CLI::App& program, GlobalOptions& global);
void add_policy_command(CLI::App& program, GlobalOptions& global);
void add_completion_command(CLI::App& program, GlobalOptions& global);
void add_version_command(CLI::App& program, GlobalOptions& global);

}  // namespace gpuinfer::plugin
