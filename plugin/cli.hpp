// The program kubectl-gpuinfer: its commands, its errors and its exit codes.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "plugin/options.hpp"

namespace gpuinfer::plugin {

/// The program with all its commands. `name` is what the usage text calls it.
std::unique_ptr<CLI::App> make_program(const std::string& name, GlobalOptions& global);

/// What the usage text calls a program started as `argv0`: kubectl runs kubectl-gpuinfer as "kubectl gpuinfer".
std::string display_name(const std::string& argv0);

/// Runs the program. Returns 0, 1 where a command failed, 2 where the command line is wrong.
int run(int argc, char** argv);

}  // namespace gpuinfer::plugin
