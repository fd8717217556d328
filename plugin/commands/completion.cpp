// `completion install`: lets kubectl complete our commands in the shell.
#include "plugin/completion.hpp"

#include <iostream>
#include <memory>

#include "plugin/commands/commands.hpp"
#include "plugin/example.hpp"

namespace gpuinfer::plugin {

void add_completion_command(CLI::App& program, GlobalOptions& global) {
  auto folder = std::make_shared<std::string>();
  CLI::App* completion = program.add_subcommand("completion", "Set up shell completion");
  completion->require_subcommand(1);
  add_global_options(*completion, global);
  add_examples(*completion,
               {{"Once, where kubectl's own completion is set up", "kubectl gpuinfer completion install"}});
  CLI::App* install = completion->add_subcommand(
      "install", "Put kubectl_complete-gpuinfer beside this program, where kubectl looks for it");
  install->add_option("--to", *folder, "Another folder of your PATH")->type_name("DIR");
  add_global_options(*install, global);
  add_examples(*install, {{"Beside the program", "kubectl gpuinfer completion install"},
                          {"Somewhere else on PATH", "kubectl gpuinfer completion install --to ~/.local/bin"}});
  install->callback([folder] {
    std::cout << install_completion(*folder).string() << '\n';
    std::cerr << "'kubectl gpuinfer <TAB>' works in every shell where kubectl's completion is on and this folder is on "
                 "PATH.\n";
  });
}

}  // namespace gpuinfer::plugin
