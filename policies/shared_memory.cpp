// The policy shared_memory: a Memory emptyDir at /dev/shm, never larger than the memory limit allows.
#include <algorithm>
#include <optional>

#include "policies/gpu_request.hpp"
#include "policies/policy.hpp"
#include "policies/quantity.hpp"

namespace gpuinfer::policies {

namespace {

constexpr const char* kVolumeName = "gpuinfer-shm";
constexpr const char* kMountPath = "/dev/shm";
constexpr std::int64_t kMebibyte = 1 << 20;

/// A size and where it comes from.
struct Size {
  std::int64_t bytes = 0;
  std::string reason;
};

std::optional<std::int64_t> memory_limit(const Json& holder) {
  const Json& limit = member(member(member(holder, "resources"), "limits"), "memory");
  if (limit.is_null()) return std::nullopt;
  const std::int64_t bytes = quantity_of(limit);
  return bytes > 0 ? std::optional(bytes) : std::nullopt;
}

/// The smallest limit that the pages of the volume may count against: a page belongs to the container that wrote it.
std::optional<std::int64_t> smallest_memory_limit(const Json& pod, const std::vector<Container>& users) {
  std::optional<std::int64_t> smallest = memory_limit(member(pod, "spec"));
  for (const Container& container : users) {
    const std::optional<std::int64_t> limit = memory_limit(*container.json);
    if (limit && (!smallest || *limit < *smallest)) smallest = limit;
  }
  return smallest;
}

/// GPUs that are in use at one time: those of all long-running containers, or of the one init container with most.
std::int64_t concurrent_gpus(const std::vector<Container>& users, const Context& context) {
  if (context.annotations.gpus) return *context.annotations.gpus;
  std::int64_t running = 0;
  std::int64_t starting = 0;
  for (const Container& container : users) {
    const std::int64_t gpus = requested_gpus(*container.json, context.document.gpu_toleration.keys);
    if (container.is_long_running) {
      running += gpus;
    } else {
      starting = std::max(starting, gpus);
    }
  }
  return std::max({running, starting, std::int64_t{1}});
}

Size requested_size(std::int64_t bytes, std::optional<std::int64_t> limit, Findings& findings) {
  if (!limit || bytes <= *limit) return {bytes, "annotation gpuinfer.dev/shm-size"};
  const std::string text = format_bytes(*limit);
  findings.warnings.push_back("gpuinfer.dev/shm-size " + format_bytes(bytes) + " is more than the memory limit " +
                              text + "; /dev/shm gets " + text);
  return {*limit, "annotation gpuinfer.dev/shm-size, cut to the memory limit"};
}

Size derived_size(std::int64_t gpus, std::optional<std::int64_t> limit, const SharedMemorySettings& settings) {
  const std::string per_gpu = format_bytes(settings.per_gpu_bytes) +
                              (gpus == 1 ? " for 1 GPU" : " for each of " + std::to_string(gpus) + " GPUs");
  // Divided instead of multiplied, so that no setting overflows.
  Size size = gpus <= settings.maximum_bytes / settings.per_gpu_bytes
                  ? Size{gpus * settings.per_gpu_bytes, per_gpu}
                  : Size{settings.maximum_bytes, per_gpu + ", at most " + format_bytes(settings.maximum_bytes)};
  if (!limit) return size;
  std::int64_t share =
      *limit / 100 * settings.memory_limit_percent + *limit % 100 * settings.memory_limit_percent / 100;
  if (share > kMebibyte) share -= share % kMebibyte;
  share = std::max<std::int64_t>(share, 1);
  if (share >= size.bytes) return size;
  return {share, std::to_string(settings.memory_limit_percent) + "% of the memory limit " + format_bytes(*limit)};
}

void apply(Json& pod, const Context& context, Findings& findings) {
  const bool has_own_shm = member(member(pod, "spec"), "hostIPC") == true || is_windows(pod);
  if (has_own_shm) return;
  std::vector<Container> users = gpu_containers(pod, context);
  if (users.empty() && context.annotations.shm_size_bytes) {
    users = containers(pod);
    std::erase_if(users, [](const Container& container) { return container.is_init; });
  }
  std::erase_if(users, [](const Container& container) { return has_mount_at(*container.json, kMountPath); });
  if (users.empty()) return;

  const std::optional<std::int64_t> limit = smallest_memory_limit(pod, users);
  const Size size = context.annotations.shm_size_bytes
                        ? requested_size(*context.annotations.shm_size_bytes, limit, findings)
                        : derived_size(concurrent_gpus(users, context), limit, context.document.shared_memory);
  const std::string volume = free_volume_name(pod, kVolumeName);
  for (const Container& container : users) {
    list_at(*container.json, "volumeMounts").push_back({{"name", volume}, {"mountPath", kMountPath}});
    findings.reasons.push_back("mounts " + format_bytes(size.bytes) + " at /dev/shm of container '" + container.name() +
                               "': " + size.reason);
  }
  list_at(pod["spec"], "volumes")
      .push_back({{"name", volume}, {"emptyDir", {{"medium", "Memory"}, {"sizeLimit", format_bytes(size.bytes)}}}});
}

}  // namespace

const Policy shared_memory{"shared_memory",
                           [](const Context& context) {
                             const Annotations& annotations = context.annotations;
                             return context.document.shared_memory.enabled &&
                                    (annotations.gpus.value_or(1) > 0 || annotations.shm_size_bytes.has_value());
                           },
                           apply};

}  // namespace gpuinfer::policies
