#include "policies/gpu_request.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "policies/quantity.hpp"

namespace gpuinfer::policies {

namespace {

/// Names under which device plugins offer parts of a device whose node is tainted with the device's own key.
struct Slices {
  std::string_view key;
  std::string_view prefix;
};
constexpr std::array kSlices{Slices{"nvidia.com/gpu", "nvidia.com/gpu."}, Slices{"nvidia.com/gpu", "nvidia.com/mig-"},
                             Slices{"aws.amazon.com/neuron", "aws.amazon.com/neuron"}};

bool belongs_to(std::string_view resource, std::string_view key) {
  return resource == key || std::any_of(kSlices.begin(), kSlices.end(), [&](const Slices& slices) {
           return slices.key == key && resource.starts_with(slices.prefix);
         });
}

/// Limits and requests of extended resources are equal where both are given; either may be left out.
std::int64_t requested(const Json& container, std::string_view key, const char* section) {
  std::int64_t total = 0;
  for (const auto& [resource, amount] : member(member(container, "resources"), section).items()) {
    if (belongs_to(resource, key)) total += std::clamp<std::int64_t>(quantity_of(amount), 0, kMaxGpus);
  }
  return total;
}

}  // namespace

std::int64_t requested_gpus(const Json& container, const std::string& key) {
  return std::max(requested(container, key, "limits"), requested(container, key, "requests"));
}

std::int64_t requested_gpus(const Json& container, const std::vector<std::string>& keys) {
  std::int64_t total = 0;
  for (const std::string& key : keys) total += requested_gpus(container, key);
  return total;
}

std::vector<std::string> slice_prefixes(const std::string& key) {
  std::vector<std::string> prefixes;
  for (const Slices& slices : kSlices) {
    if (slices.key == key) prefixes.emplace_back(slices.prefix);
  }
  return prefixes;
}

std::vector<Container> gpu_containers(Json& pod, const Context& context) {
  std::vector<Container> all = containers(pod);
  std::vector<Container> chosen;
  const auto choose = [&](auto predicate) {
    std::copy_if(all.begin(), all.end(), std::back_inserter(chosen), predicate);
  };
  for (const std::string& name : context.annotations.containers) {
    const std::size_t before = chosen.size();
    choose([&](const Container& container) { return container.name() == name; });
    if (chosen.size() == before) {
      throw AnnotationError("annotation gpuinfer.dev/containers names " + in_quotes(name) +
                            ", which is no container of this pod");
    }
  }
  if (!chosen.empty()) return chosen;
  const auto& keys = context.document.gpu_toleration.keys;
  choose([&](const Container& container) { return requested_gpus(*container.json, keys) > 0; });
  if (chosen.empty() && context.annotations.gpus.value_or(0) > 0) {
    choose([](const Container& container) { return container.is_long_running; });
  }
  return chosen;
}

std::vector<Container> serving_containers(Json& pod, const Context& context) {
  std::vector<Container> chosen = gpu_containers(pod, context);
  if (!chosen.empty()) return chosen;
  chosen = containers(pod);
  std::erase_if(chosen, [](const Container& container) { return container.is_init; });
  return chosen;
}

}  // namespace gpuinfer::policies
