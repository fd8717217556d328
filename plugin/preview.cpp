// Runs the policies on objects and shows the outcome.
#include "plugin/preview.hpp"

#include <sstream>

#include "base/yaml.hpp"
#include "kube/resource.hpp"
#include "plugin/line_diff.hpp"
#include "plugin/output.hpp"
#include "policies/admit.hpp"
#include "policies/json_patch.hpp"
#include "policies/propagate.hpp"

namespace gpuinfer::plugin {

namespace {

std::string name_of(const Json& object) {
  const bool named = object.value("/metadata/name"_json_pointer, Json()).is_string();
  return named ? kube::object_name(object) : object.at("kind").get<std::string>();
}

}  // namespace

std::vector<Preview> preview(const Json& object, const policies::PolicySet& policies,
                             const std::string& namespace_name) {
  std::vector<Preview> previews;
  previews.push_back(
      {.name = name_of(object), .before = object, .injection = policies::admit(object, policies, namespace_name)});
  if (!policies::is_workload(object)) return previews;
  for (const Json& pod : policies::pods_of(previews.front().injection.object)) {
    previews.push_back({.name = name_of(pod) + " (made by " + previews.front().name + ")",
                        .before = pod,
                        .injection = policies::admit(pod, policies, namespace_name)});
  }
  return previews;
}

std::string render(const std::vector<Preview>& previews, const std::string& format) {
  std::ostringstream out;
  if (format == "diff") {
    for (const Preview& preview : previews) {
      out << unified_diff(emit_yaml(preview.before), emit_yaml(preview.injection.object), preview.name,
                          preview.name + " after the webhook");
    }
  } else if (format == "patch") {
    Json patches = Json::array();
    for (const Preview& preview : previews) {
      patches.push_back(
          {{"object", preview.name}, {"patch", policies::json_patch(preview.before, preview.injection.object)}});
    }
    print_value(out, patches, "json");
  } else {
    std::vector<Json> objects;
    for (const Preview& preview : previews) objects.push_back(preview.injection.object);
    print_objects(out, objects, format);
  }
  return out.str();
}

}  // namespace gpuinfer::plugin
