// Puts the commands together and turns errors into messages and exit codes.
#include "plugin/cli.hpp"

#include <iostream>

#include "base/error.hpp"
#include "base/suggestion.hpp"
#include "plugin/commands/commands.hpp"
#include "plugin/completion.hpp"
#include "plugin/example.hpp"
#include "plugin/output.hpp"

namespace gpuinfer::plugin {

namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

/// The innermost command that the command line reached.
const CLI::App* deepest_command(const CLI::App* app) {
  while (!app->get_subcommands().empty()) app = app->get_subcommands().back();
  return app;
}

/// "kubectl gpuinfer models pull".
std::string full_name(const CLI::App* command) {
  const CLI::App* parent = command->get_parent();
  return parent == nullptr ? command->get_name() : full_name(parent) + " " + command->get_name();
}

/// What is wrong with the command line, and the help that shows how it is right.
Error usage_error(const CLI::App* command, const CLI::ParseError& error) {
  const std::string help = "see '" + full_name(command) + " --help'";
  const std::vector<std::string> words = command->remaining();
  std::vector<std::string> names;
  for (const CLI::App* subcommand : command->get_subcommands({})) names.push_back(subcommand->get_name());
  const bool command_missing = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  const bool word_left = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
  if (names.empty() || !(command_missing || word_left)) return Error(error.what(), help);
  if (words.empty()) return Error("no command is given", help);
  if (words.front().starts_with('-')) return Error("unknown option '" + words.front() + "'", help);
  const std::string similar = closest_match(words.front(), names);
  return Error("unknown command '" + words.front() + "'",
               (similar.empty() ? "" : "did you mean '" + similar + "'? ") + help);
}

/// `error` with a remedy: errors of files say what and where, and what to do is the same for all of them.
Error with_remedy(const Error& error) {
  if (!error.remedy().empty()) return error;
  return Error(error.what(), "correct what is named above, then run the command again");
}

}  // namespace

std::unique_ptr<CLI::App> make_program(const std::string& name, GlobalOptions& global) {
  auto program = std::make_unique<CLI::App>(
      "Runs large language models on Kubernetes GPU nodes: one command from nothing to a chat.", name);
  program->get_formatter()->label("SUBCOMMAND", "COMMAND");
  program->get_formatter()->column_width(34);
  program->set_help_flag("-h,--help", "Print this help and exit");
  program->require_subcommand(1);
  add_global_options(*program, global);
  add_examples(
      *program,
      {{"Once for a cluster: the webhook that prepares GPU pods", "kubectl gpuinfer install"},
       {"Serve a model and talk to it", "kubectl gpuinfer deploy smollm2-135m && kubectl gpuinfer chat smollm2-135m"},
       {"The same without a cluster, on this machine", "kubectl gpuinfer deploy smollm2-135m --local"}});
  add_install_command(*program, global);
  add_deploy_command(*program, global);
  add_doctor_command(*program, global);
  add_status_command(*program, global);
  add_chat_command(*program, global);
  add_logs_command(*program, global);
  add_delete_command(*program, global);
  add_models_command(*program, global);
  add_preview_command(*program, global);
  add_explain_command(*program, global);
  add_policy_command(*program, global);
  add_scaffold_command(*program, global);
  add_uninstall_command(*program, global);
  add_completion_command(*program, global);
  add_version_command(*program, global);
  for (CLI::App* command : program->get_subcommands({})) command->group("Commands");
  return program;
}

std::string display_name(const std::string& argv0) {
  const std::string name = argv0.substr(argv0.rfind('/') + 1);
  constexpr std::string_view kPrefix = "kubectl-";
  return name.starts_with(kPrefix) ? "kubectl " + name.substr(kPrefix.size()) : name;
}

int run(int argc, char** argv) {
  const std::string name = argc > 0 ? argv[0] : "kubectl-gpuinfer";
  if (is_completion_name(name)) return complete(argc, argv);
  GlobalOptions global;
  const auto program = make_program(display_name(name), global);
  try {
    program->parse(argc, argv);
    std::cout.flush();
    if (!std::cout) throw Error("cannot write to standard output");
    return 0;
  } catch (const CLI::Success& help) {
    return program->exit(help);
  } catch (const CLI::ParseError& error) {
    print_error(usage_error(deepest_command(program.get()), error));
    return kUsage;
  } catch (const Error& error) {
    print_error(with_remedy(error));
  } catch (const std::exception& error) {
    print_error(Error(error.what()));
  }
  return kFailed;
}

}  // namespace gpuinfer::plugin
