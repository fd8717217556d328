#include "policies/json_patch.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace gpuinfer::policies {

namespace {

/// The paths of the array elements of `document` that the JSON pointer `path` goes through or ends at.
std::vector<std::string> array_elements_on(const std::string& path, const Json& document) {
  std::vector<std::string> elements;
  const Json* value = &document;
  std::size_t end = 0;
  while (end < path.size()) {
    const std::size_t start = end;
    end = std::min(path.find('/', start + 1), path.size());
    const Json::json_pointer step(path.substr(start, end - start));
    if (!value->contains(step)) break;  // "-" or a key that is about to be added
    if (value->is_array()) elements.push_back(path.substr(0, end));
    value = &value->at(step);
  }
  return elements;
}

Json test_of(const std::string& element_path, const Json& document) {
  const Json& element = document.at(Json::json_pointer(element_path));
  if (element.is_object() && element.contains("name")) {
    return {{"op", "test"}, {"path", element_path + "/name"}, {"value", element["name"]}};
  }
  return {{"op", "test"}, {"path", element_path}, {"value", element}};
}

}  // namespace

Json json_patch(const Json& before, const Json& after) {
  const Json changes = Json::diff(before, after);
  // All tests come first: they speak of `before`, and diff() never moves an element that it changes.
  Json patch = Json::array();
  std::vector<std::string> tested;
  for (const Json& change : changes) {
    for (const std::string& element : array_elements_on(change["path"].get_ref<const std::string&>(), before)) {
      if (std::find(tested.begin(), tested.end(), element) != tested.end()) continue;
      patch.push_back(test_of(element, before));
      tested.push_back(element);
    }
  }
  for (const Json& change : changes) patch.push_back(change);
  return patch;
}

}  // namespace gpuinfer::policies
