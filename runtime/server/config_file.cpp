#include "runtime/server/config_file.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/yaml.hpp"

namespace gpuinfer::server {
namespace {

std::string place_of(const YamlDocument& document, const std::string& pointer, const std::string& path) {
  const YamlPosition position = document.positions.at(pointer);
  return path + ":" + std::to_string(position.line) + ":" + std::to_string(position.column) + ": ";
}

std::string as_argument(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

std::vector<std::string> as_arguments(const Json& value) {
  std::vector<std::string> arguments;
  if (!value.is_array()) return {as_argument(value)};
  for (const Json& element : value) arguments.push_back(as_argument(element));
  return arguments;
}

CLI::Option* find_option(CLI::App& app, const std::string& key, const std::string& place) {
  // A file cannot name another one, and asks for nothing to be printed.
  CLI::Option* const option = app.get_option_no_throw("--" + key);
  if (option && !option->get_configurable()) throw Error(place + "'" + key + "' cannot be set in a file");
  if (!option) throw Error(place + "unknown key '" + key + "'", "gpuinfer-server --help lists the flags.");
  return option;
}

}  // namespace

void apply_config_file(const std::string& path, CLI::App& app) {
  const std::vector<YamlDocument> documents = parse_yaml(read_file(path), path);
  if (documents.empty()) return;
  const YamlDocument& document = documents.front();
  if (!document.value.is_object() || documents.size() > 1) {
    throw Error(path + ": a configuration file is one mapping of flags to values");
  }
  for (const auto& [key, value] : document.value.items()) {
    const std::string place = place_of(document, "/" + key, path);
    CLI::Option* const option = find_option(app, key, place);
    if (option->count() > 0 || value.is_null()) continue;  // The command line or the environment has it.
    try {
      option->add_result(as_arguments(value));
      option->run_callback();
    } catch (const CLI::Error& error) {
      throw Error(place + error.what());
    }
  }
}

}  // namespace gpuinfer::server
