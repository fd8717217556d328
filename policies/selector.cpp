#include "policies/selector.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "policies/annotations.hpp"
#include "policies/gpu_request.hpp"
#include "policies/image_reference.hpp"
#include "policies/pod.hpp"

namespace gpuinfer::policies {

namespace {

bool fits_any(std::string_view text, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return fits_glob(text, pattern); });
}

/// As Kubernetes defines it: a label that is missing fits NotIn.
bool holds(const LabelRequirement& requirement, const Json& labels) {
  const auto label = labels.find(requirement.key);
  const bool exists = label != labels.end() && label->is_string();
  const auto& values = requirement.values;
  const bool is_listed =
      exists && std::find(values.begin(), values.end(), label->get_ref<const std::string&>()) != values.end();
  switch (requirement.operation) {
    case LabelRequirement::Operator::kIn:
      return is_listed;
    case LabelRequirement::Operator::kNotIn:
      return !is_listed;
    case LabelRequirement::Operator::kExists:
      return exists;
    case LabelRequirement::Operator::kDoesNotExist:
      return !exists;
  }
  return false;
}

bool image_fits(const std::string& image, const std::vector<std::string>& patterns) {
  if (image.empty()) return false;
  if (fits_any(image, patterns)) return true;
  try {
    return fits_any(to_string(parse_image_reference(image)), patterns);
  } catch (const Error&) {
    return false;  // the kubelet will say so
  }
}

/// An image that we have rewritten counts with its first name, too: the second injection of a pod must see the same
/// documents as the first.
bool any_image_fits(const Json& pod, const std::vector<std::string>& patterns) {
  const Json& annotations = annotations_of(pod);
  const std::vector<ConstContainer> all = containers(pod);
  return std::any_of(all.begin(), all.end(), [&](const ConstContainer& container) {
    const std::string original = original_image_annotation(container.name());
    return image_fits(text_at(*container.json, "image"), patterns) ||
           image_fits(text_at(annotations, original.c_str()), patterns);
  });
}

bool requests_any(const Json& pod, const std::vector<std::string>& gpu_keys) {
  const std::vector<ConstContainer> all = containers(pod);
  return std::any_of(all.begin(), all.end(),
                     [&](const ConstContainer& container) { return requested_gpus(*container.json, gpu_keys) > 0; });
}

}  // namespace

bool fits_glob(std::string_view text, std::string_view pattern) {
  // The part before the first "*", the parts between them from left to right, and what is left for the last.
  std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return text == pattern;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  text.remove_prefix(star);
  pattern.remove_prefix(star + 1);
  while ((star = pattern.find('*')) != std::string_view::npos) {
    const std::size_t found = text.find(pattern.substr(0, star));
    if (found == std::string_view::npos) return false;
    text.remove_prefix(found + star);
    pattern.remove_prefix(star + 1);
  }
  return text.ends_with(pattern);
}

bool Selector::picks_everything() const {
  return namespaces.empty() && labels.empty() && images.empty() && !requests_gpu;
}

bool Selector::picks(const Json& pod, std::string_view request_namespace,
                     const std::vector<std::string>& gpu_keys) const {
  if (!namespaces.empty() && !fits_any(namespace_of(pod, request_namespace), namespaces)) return false;
  const Json& pod_labels = member(member(pod, "metadata"), "labels");
  const bool all_labels_fit = std::all_of(labels.begin(), labels.end(), [&](const LabelRequirement& requirement) {
    return holds(requirement, pod_labels);
  });
  if (!all_labels_fit) return false;
  if (!images.empty() && !any_image_fits(pod, images)) return false;
  return !requests_gpu || *requests_gpu == requests_any(pod, gpu_keys);
}

}  // namespace gpuinfer::policies
