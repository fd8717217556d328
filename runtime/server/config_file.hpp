// Settings from a YAML file, for those that neither the command line nor the environment has.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace gpuinfer::server {

/// Each key of the file is a flag of `app` without its dashes in front ("max-queue: 100"; a flag that takes no value is
/// true or false, one that takes several values is a list). Throws Error, "FILE:LINE:COLUMN: ...", for an unknown key
/// and for a value that the flag refuses.
void apply_config_file(const std::string& path, CLI::App& app);

}  // namespace gpuinfer::server
