// Shell completion of `kubectl gpuinfer`, by kubectl's own convention: an executable kubectl_complete-gpuinfer on PATH
// that is called with the words so far and prints one candidate a line, then ":DIRECTIVE"
// (https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace gpuinfer::plugin {

/// True where the program was started as kubectl_complete-gpuinfer.
bool is_completion_name(const std::string& argv0);

/// What the last of `words` may become: commands, options, and names of models and local deployments.
std::vector<std::string> completions(const std::vector<std::string>& words);

/// The completion program: prints the candidates. Returns the exit code.
int complete(int argc, char** argv);

/// Makes kubectl_complete-gpuinfer, a link to this program, in `folder` (empty: beside this program). Returns its path.
/// Throws Error.
std::filesystem::path install_completion(std::filesystem::path folder);

}  // namespace gpuinfer::plugin
