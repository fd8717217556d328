// Kubernetes objects in files, as `kubectl apply -f` reads them.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"

namespace gpuinfer::plugin {

/// The objects of a YAML stream or a JSON text; the items of a List (or a PodList …) are objects of their own. Throws
/// Error.
std::vector<Json> parse_objects(const std::string& text, const std::string& file_name);

/// The objects in `path`: a file, "-" for standard input, or a folder's *.yaml, *.yml and *.json in order of name, with
/// `recursive` those of the folders in it too. Throws Error, also where there are none.
std::vector<Json> read_objects(const std::string& path, bool recursive = false);

}  // namespace gpuinfer::plugin
