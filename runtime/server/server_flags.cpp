#include "runtime/server/server_flags.hpp"

#include <CLI/CLI.hpp>
#include <iostream>

#include "base/error.hpp"
#include "base/version.hpp"
#include "runtime/server/config_file.hpp"

namespace gpuinfer::server {
namespace {

/// "--max-queue" is also GPUINFER_MAX_QUEUE.
std::string variable_of(const std::string& flag) {
  std::string variable = "GPUINFER";
  for (const char c : flag.substr(1)) variable += c == '-' ? '_' : static_cast<char>(std::toupper(c));
  return variable;
}

template <class Value>
CLI::Option* add_flag(CLI::App& app, const std::string& flag, Value& value, const std::string& help) {
  return app.add_option(flag, value, help)->envname(variable_of(flag));
}

/// One that takes no value.
CLI::Option* add_switch(CLI::App& app, const std::string& flag, bool& value, const std::string& help) {
  return app.add_flag(flag, value, help)->envname(variable_of(flag));
}

/// The last part of the path; for a file without its extension.
std::string default_name(const std::filesystem::path& model) {
  const std::filesystem::path path = std::filesystem::absolute(model).lexically_normal();
  const std::filesystem::path last = path.has_filename() ? path.filename() : path.parent_path().filename();
  return last.extension() == ".gguf" ? last.stem().string() : last.string();
}

}  // namespace

std::optional<int> parse_flags(int argc, char** argv, ServerFlags& flags) {
  constexpr std::int64_t kMaxTokens = std::int64_t{1} << 32;
  const CLI::Range positive(std::int64_t{1}, kMaxTokens);

  CLI::App app("Serves a language model over OpenAI's HTTP API.", "gpuinfer-server");
  app.set_version_flag("--version", std::string("gpuinfer-server ") + kVersion)->configurable(false);
  app.get_help_ptr()->configurable(false);
  add_flag(app, "--model", flags.model, "A .gguf file, or a folder with one or with config.json and safetensors");
  app.add_flag("--selftest", flags.selftest,
               "Check that --backend computes what it should on this machine, print a table, and serve nothing")
      ->configurable(false);
  std::string config;
  add_flag(app, "--config", config, "YAML file with flags (max-queue: 100); the command line and the environment win")
      ->configurable(false);
  add_flag(app, "--served-model-name", flags.served_model_names,
           "What requests call the model, one name or several; replies have the first [the file's or folder's name]")
      ->delimiter(',');
  add_switch(app, "--skip-tokenizer-init", flags.skip_tokenizer_init,
             "Serve a model without its tokenizer: prompts and answers are token ids");
  add_flag(app, "--host", flags.host, "Address to listen on")->capture_default_str();
  add_flag(app, "--port", flags.port, "Port to listen on; 0 takes any free one")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  add_flag(app, "--backend", flags.backend, "What computes the model; auto is the fastest one here")
      ->check(CLI::IsMember({"auto", "cuda", "cpu", "reference"}))
      ->capture_default_str();
  add_flag(app, "--tensor-parallel-size", flags.tensor_parallel_size,
           "GPUs that share the model; more than 1 need NCCL")
      ->check(CLI::IsMember(std::vector<std::int64_t>{1, 2, 4, 8}))
      ->capture_default_str();
  add_flag(app, "--threads", flags.threads, "Threads that compute [as many as there are cores]")
      ->check(CLI::Range(1, 1024));
  add_flag(app, "--max-model-len", flags.max_model_len,
           "Longest prompt and answer together, in tokens [what the model was made for]")
      ->check(positive);
  add_flag(
      app, "--kv-cache-tokens", flags.kv_cache_tokens,
      "Tokens whose keys and values are kept for all requests together [8 of the longest, at most 1 GiB, at least one]")
      ->check(positive);
  add_flag(app, "--max-num-seqs", flags.limits.max_running, "Requests in a step")
      ->check(positive)
      ->capture_default_str();
  add_flag(app, "--max-num-batched-tokens", flags.limits.max_batch_tokens, "Tokens in a step")
      ->check(positive)
      ->capture_default_str();
  add_flag(app, "--max-queue", flags.max_queue, "Requests that may wait to run; others get 429")
      ->check(CLI::Range(std::int64_t{0}, kMaxTokens))
      ->capture_default_str();
  add_switch(app, "--no-prefix-caching", flags.no_prefix_caching,
             "Compute every prompt from its beginning, also where another one began alike");
  add_flag(app, "--pooling", flags.pooling, "What an embedding is: the last token's hidden state, or the mean of all")
      ->check(CLI::IsMember({"last", "mean"}))
      ->capture_default_str();
  add_flag(app, "--request-timeout", flags.request_timeout_seconds,
           "Seconds that a request may take which has no timeout of its own [no limit]")
      ->check(CLI::Range(1, 86400));
  add_flag(app, "--api-key", flags.api_key, "Key that /v1 requests must carry [none]");
  add_flag(app, "--shutdown-timeout", flags.shutdown_timeout_seconds,
           "Seconds that running requests may take after SIGTERM")
      ->check(CLI::Range(0, 86400))
      ->capture_default_str();
  add_flag(app, "--log-level", flags.log_level, "Least level that is logged")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.footer(
      "Each flag can be set in the environment as well, --max-queue as GPUINFER_MAX_QUEUE, or in the file of "
      "--config.");
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string("error: ") + error.what() + "\n  Run gpuinfer-server --help.\n";
  });
  try {
    app.parse(argc, argv);
    if (!config.empty()) apply_config_file(config, app);
    if (flags.model.empty() && !flags.selftest) throw CLI::RequiredError("--model");
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const Error& error) {
    std::cerr << "error: " << error.what() << "\n  " << error.remedy() << "\n";
    return 2;
  }
  if (flags.served_model_names.empty() && !flags.selftest) flags.served_model_names = {default_name(flags.model)};
  return std::nullopt;
}

}  // namespace gpuinfer::server
