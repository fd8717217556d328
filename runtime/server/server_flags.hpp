// The settings of gpuinfer-server: its command line, environment and configuration file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "runtime/engine/scheduler.hpp"

namespace gpuinfer::server {

struct ServerFlags {
  /// Nothing is served; only backend, threads and log_level count then.
  bool selftest = false;
  std::filesystem::path model;
  /// Not empty; the first is the one that replies carry.
  std::vector<std::string> served_model_names;
  bool skip_tokenizer_init = false;
  std::string host = "0.0.0.0";
  int port = 8000;
  std::string backend = "auto";
  /// GPUs that share the model.
  std::int64_t tensor_parallel_size = 1;
  /// 0: as many as the machine, or its cgroup, has cores.
  int threads = 0;
  /// 0: what the model was made for.
  std::int64_t max_model_len = 0;
  /// 0: see default_kv_cache_tokens().
  std::int64_t kv_cache_tokens = 0;
  engine::SchedulerLimits limits;
  std::int64_t max_queue = 256;
  bool no_prefix_caching = false;
  /// 0: none.
  std::int64_t request_timeout_seconds = 0;
  /// "last" or "mean".
  std::string pooling = "last";
  std::string api_key;
  int shutdown_timeout_seconds = 60;
  std::string log_level = "info";
};

/// Prints help, version or what is wrong, and returns the exit code, where the program should end at once. Each flag
/// has a variable in the environment, which the flag overrides, and a key in the file that --config names, which both
/// override.
std::optional<int> parse_flags(int argc, char** argv, ServerFlags& flags);

}  // namespace gpuinfer::server
