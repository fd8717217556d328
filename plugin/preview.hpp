// What the webhook would do to objects, computed here with the same functions.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "policies/inject.hpp"
#include "policies/policy_set.hpp"

namespace gpuinfer::plugin {

/// One object on its way through the webhook.
struct Preview {
  std::string name;  ///< "Pod/x"; of a workload's pod "Pod/x (made by Deployment/x)"
  Json before;
  policies::Injection injection;
};

/// `object`, and for a workload also the pod that it would make.
std::vector<Preview> preview(const Json& object, const policies::PolicySet& policies,
                             const std::string& namespace_name);

/// The objects of a YAML stream or a JSON text; the items of a List are objects of their own. Throws Error.
std::vector<Json> parse_objects(const std::string& text, const std::string& file_name);

/// The objects in `path`: a file, "-" for standard input, or a folder's *.yaml, *.yml and *.json in order of name.
/// Throws Error, also where there are none.
std::vector<Json> read_objects(const std::string& path);

/// Shows previews as "yaml", "json" (the objects afterwards), "patch" (JSON Patch) or "diff".
std::string render(const std::vector<Preview>& previews, const std::string& format);

}  // namespace gpuinfer::plugin
