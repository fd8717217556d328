// The policy image_registry: images come from ECR and its pull-through caches.
#include <algorithm>
#include <string_view>

#include "policies/image_reference.hpp"
#include "policies/pod.hpp"
#include "policies/policy.hpp"

namespace gpuinfer::policies {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// ACCOUNT.dkr.ecr[-fips].REGION.amazonaws.com[.cn], or the dual-stack ACCOUNT.dkr-ecr[-fips].REGION.on.aws.
bool is_private_ecr(std::string_view host) {
  constexpr std::size_t kAccountDigits = 12;
  if (host.size() < kAccountDigits || !std::all_of(host.begin(), host.begin() + kAccountDigits, is_digit)) return false;
  host.remove_prefix(kAccountDigits);
  const bool classic = (host.starts_with(".dkr.ecr.") || host.starts_with(".dkr.ecr-fips.")) &&
                       (host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"));
  const bool dual_stack = (host.starts_with(".dkr-ecr.") || host.starts_with(".dkr-ecr-fips.")) &&
                          (host.ends_with(".on.aws") || host.ends_with(".on.amazonwebservices.com.cn"));
  return classic || dual_stack;
}

/// The reference in the registry of `settings`; "" where the image stays where it is.
std::string rewritten(const ImageReference& image, const ImageRegistrySettings& settings, Findings& findings) {
  const bool is_there_already = is_private_ecr(image.registry) || to_string(image).starts_with(settings.registry + "/");
  if (is_there_already) return "";
  const auto rewrite = settings.rewrites.find(image.registry);
  if (rewrite == settings.rewrites.end()) {
    if (image.registry == "nvcr.io") {
      findings.warnings.push_back("image " + in_quotes(to_string(image)) +
                                  " stays on nvcr.io: ECR has no pull-through cache for it; copy it into your registry "
                                  "(crane copy) and name the copy");
    }
    return "";
  }
  ImageReference moved = image;
  moved.registry = settings.registry;
  if (!rewrite->second.empty()) moved.repository = rewrite->second + "/" + image.repository;
  return to_string(moved);
}

void apply(Json& pod, const Context& context, Findings& findings) {
  const ImageRegistrySettings& settings = context.document.image_registry;
  if (settings.registry.empty()) {
    if (context.annotations.image_rewrite.value_or(false)) {
      findings.warnings.push_back("gpuinfer.dev/image-rewrite has no effect: the policy document '" +
                                  context.document.name + "' names no registry");
    }
    return;
  }
  for (const Container& container : containers(pod)) {
    const std::string original = text_at(*container.json, "image");
    if (original.empty()) continue;
    std::string image;
    try {
      image = rewritten(parse_image_reference(original), settings, findings);
    } catch (const Error& error) {
      findings.warnings.push_back(error.what());
    }
    if (image.empty()) continue;
    (*container.json)["image"] = image;
    pod["metadata"]["annotations"][original_image_annotation(container.name())] = original;
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
