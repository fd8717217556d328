// The policy image_registry: images come from ECR, its pull-through caches and your own copies.
#include <algorithm>
#include <string_view>

#include "policies/ecr.hpp"
#include "policies/image_reference.hpp"
#include "policies/pod.hpp"
#include "policies/policy.hpp"

namespace gpuinfer::policies {

namespace {

using Rewrites = std::map<std::string, std::string>;

/// The rewrite of the longest beginning of the image's path: "nvcr.io/nvidia/cuda", "nvcr.io/nvidia", "nvcr.io".
Rewrites::const_iterator rewrite_of(const ImageReference& image, const Rewrites& rewrites) {
  std::string beginning = image.registry + "/" + image.repository;
  while (true) {
    const auto found = rewrites.find(beginning);
    const std::size_t slash = beginning.rfind('/');
    if (found != rewrites.end() || slash == std::string::npos) return found;
    beginning.resize(slash);
  }
}

/// ECR refuses a pull-through cache rule for NGC (UnsupportedUpstreamRegistryException), so only a copy helps.
std::string advice_for_ngc(const ImageReference& image, const ImageRegistrySettings& settings) {
  const std::string registry = settings.registry.empty() ? "REGISTRY" : settings.registry;
  return "image " + in_quotes(to_string(image)) + " stays on nvcr.io, which ECR cannot cache: copy it to " + registry +
         "/ngc/" + image.repository + " (crane copy) and add 'nvcr.io: ngc' to imageRegistry.rewrites";
}

/// The reference in the registry of `settings`; "" where the image stays where it is.
std::string rewritten(const ImageReference& image, const ImageRegistrySettings& settings, Findings& findings) {
  const std::string full = to_string(image);
  const bool is_in_own_registry = !settings.registry.empty() && full.starts_with(settings.registry + "/");
  if (is_private_ecr(image.registry) || is_in_own_registry) return "";
  const auto rewrite = rewrite_of(image, settings.rewrites);
  if (rewrite == settings.rewrites.end()) {
    if (image.registry == "nvcr.io") findings.warnings.push_back(advice_for_ngc(image, settings));
    return "";
  }
  const auto& [upstream, target] = *rewrite;
  const std::string rest = full.substr(upstream.size());  // "/cuda:12.9", or ":12.9" where the whole path is listed
  if (names_registry(target)) return full.starts_with(target + "/") ? "" : target + rest;
  if (settings.registry.empty()) return "";
  if (!target.empty()) return settings.registry + "/" + target + rest;
  // Without a prefix a rule for one image still has to keep that image's name.
  return settings.registry + (rest.starts_with('/') ? rest : full.substr(image.registry.size()));
}

/// True where some image can be rewritten at all.
bool has_target(const ImageRegistrySettings& settings) {
  return !settings.registry.empty() || std::any_of(settings.rewrites.begin(), settings.rewrites.end(),
                                                   [](const auto& rewrite) { return names_registry(rewrite.second); });
}

/// True where `image` is what we made of `original` before, even if the table would now send it further.
bool is_our_work(const std::string& image, const std::string& original, const ImageRegistrySettings& settings) {
  Findings ignored;
  return !original.empty() && rewritten(parse_image_reference(original), settings, ignored) == image;
}

void apply(Json& pod, const Context& context, Findings& findings) {
  const ImageRegistrySettings& settings = context.document.image_registry;
  if (!has_target(settings)) {
    if (context.annotations.image_rewrite.value_or(false)) {
      findings.warnings.push_back("gpuinfer.dev/image-rewrite has no effect: the policy document '" +
                                  context.document.name + "' names no registry");
    }
    return;
  }
  Json& annotations = pod["metadata"]["annotations"];
  for (const Container& container : containers(pod)) {
    const std::string original = text_at(*container.json, "image");
    if (original.empty()) continue;
    const std::string annotation = original_image_annotation(container.name());
    std::string image;
    try {
      if (is_our_work(original, text_at(annotations, annotation.c_str()), settings)) continue;
      image = rewritten(parse_image_reference(original), settings, findings);
    } catch (const Error& error) {
      findings.warnings.push_back(error.what());
    }
    if (image.empty()) continue;
    (*container.json)["image"] = image;
    annotations[annotation] = original;
    findings.reasons.push_back("container '" + container.name() + "' pulls " + image + " instead of " + original);
  }
}

}  // namespace

const Policy image_registry{
    "image_registry",
    [](const Context& context) {
      return context.annotations.image_rewrite.value_or(context.document.image_registry.enabled);
    },
    apply};

}  // namespace gpuinfer::policies
