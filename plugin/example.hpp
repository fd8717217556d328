// The examples at the end of a command's help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace gpuinfer::plugin {

/// What to type, and what it does.
struct Example {
  std::string what;
  std::string command;
};

/// Puts the examples into the help of `command`.
inline void add_examples(CLI::App& command, const std::vector<Example>& examples) {
  std::string text = "Examples:";
  for (const Example& example : examples) text += "\n  # " + example.what + "\n  " + example.command + "\n";
  command.footer(text);
}

}  // namespace gpuinfer::plugin
