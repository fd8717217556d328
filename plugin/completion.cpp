// Finds candidates by walking the commands as the command line does.
#include "plugin/completion.hpp"

#include <algorithm>
#include <iostream>

#include "base/error.hpp"
#include "plugin/catalogue.hpp"
#include "plugin/cli.hpp"
#include "plugin/local_deployment.hpp"
#include "plugin/process.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr const char* kName = "kubectl_complete-gpuinfer";
/// cobra's ShellCompDirectiveNoFileComp: do not fall back to file names.
constexpr const char* kNoFiles = ":4";

/// The command that the words before the last one reach.
CLI::App* command_at(CLI::App& program, const std::vector<std::string>& words) {
  CLI::App* command = &program;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    for (CLI::App* subcommand : command->get_subcommands({})) {
      if (subcommand->get_name() == words[i]) {
        command = subcommand;
        break;
      }
    }
  }
  return command;
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

/// What the first positional argument of `command` names: a model, or a deployment.
std::vector<std::string> argument_values(const CLI::App& command) {
  const CLI::Option* argument = command.get_option_no_throw("MODEL");
  std::vector<std::string> values;
  if (argument != nullptr) {
    for (const Model& model : catalogue()) values.push_back(model.name);
  } else if (command.get_option_no_throw("NAME") != nullptr) {
    for (const LocalDeployment& deployment : list_local_deployments()) values.push_back(deployment.name);
  }
  return values;
}

}  // namespace

bool is_completion_name(const std::string& argv0) { return argv0.substr(argv0.rfind('/') + 1) == kName; }

std::vector<std::string> completions(const std::vector<std::string>& words) {
  GlobalOptions global;
  const auto program = make_program("kubectl gpuinfer", global);
  const std::string last = words.empty() ? "" : words.back();
  const CLI::App* command = command_at(*program, words);
  std::vector<std::string> candidates;
  if (last.starts_with('-')) {
    candidates = option_names(*command);
  } else {
    for (const CLI::App* subcommand : command->get_subcommands({})) candidates.push_back(subcommand->get_name());
    const std::vector<std::string> values = argument_values(*command);
    candidates.insert(candidates.end(), values.begin(), values.end());
  }
  std::erase_if(candidates, [&](const std::string& candidate) { return !candidate.starts_with(last); });
  std::sort(candidates.begin(), candidates.end());
  return candidates;
}

int complete(int argc, char** argv) {
  for (const std::string& candidate : completions(std::vector<std::string>(argv + 1, argv + argc)))
    std::cout << candidate << '\n';
  std::cout << kNoFiles << '\n';
  return 0;
}

std::filesystem::path install_completion(std::filesystem::path folder) {
  const std::filesystem::path program = own_executable();
  if (folder.empty()) folder = program.parent_path();
  const std::filesystem::path link = folder / kName;
  std::error_code error;
  std::filesystem::remove(link, error);
  if (!error) std::filesystem::create_symlink(program, link, error);
  if (error) {
    throw Error("cannot make " + link.string() + ": " + error.message(),
                "name a folder of your PATH that you may write to with --to");
  }
  return link;
}

}  // namespace gpuinfer::plugin
