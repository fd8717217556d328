// gpuinfer-server: loads a model and serves it until SIGTERM.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <future>
#include <iostream>
#include <map>
#include <optional>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/termination.hpp"
#include "base/version.hpp"
#include "runtime/selftest/selftest.hpp"
#include "runtime/server/load_report.hpp"
#include "runtime/server/model_loader.hpp"
#include "runtime/server/server.hpp"
#include "runtime/server/server_flags.hpp"

namespace gpuinfer::server {
namespace {

LogLevel log_level(const std::string& name) {
  const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::kDebug},
                                                  {"info", LogLevel::kInfo},
                                                  {"warning", LogLevel::kWarning},
                                                  {"error", LogLevel::kError}};
  return levels.at(name);
}

/// A stream holds its connection's thread, so there are enough for all that may run or wait, and some for probes and
/// refusals.
std::size_t max_connections(const ServerFlags& flags) {
  constexpr std::int64_t kSpare = 64;
  constexpr std::int64_t kMost = 4096;
  return static_cast<std::size_t>(std::min(kMost, flags.limits.max_running + flags.max_queue + kSpare));
}

void load(const ServerFlags& flags, Server& server) {
  std::optional<LoadReporter> reporter(server.load_progress());
  const auto model = load_served_model(
      flags, [&server](const engine::StepReport& report) { server.metrics().on_step(report); }, server.load_progress());
  reporter.reset();
  server.serve(model);
  log(LogLevel::kInfo, "loaded", summarize(*server.load_progress()));
  const std::chrono::duration<double> elapsed = server.load_progress()->elapsed();
  log(LogLevel::kInfo, "ready",
      {{"model", model->name()},
       {"backend", model->engine->backend().description()},
       {"max_model_len", model->engine->max_model_len()},
       {"kv_cache_tokens", model->engine->backend().kv_groups().front().pages * backend::kPageTokens},
       {"load_seconds", elapsed.count()}});
  if (model->text && !model->text->chat_template) {
    log(LogLevel::kWarning, "no chat", {{"reason", model->text->no_chat_template_reason}});
  }
}

int run(const ServerFlags& flags) {
  Termination termination;
  Server server({.host = flags.host,
                 .port = flags.port,
                 .served_model_name = flags.served_model_names.front(),
                 .api_key = flags.api_key,
                 .http = {.max_connections = max_connections(flags)}});
  const int port = server.start();
  log(LogLevel::kInfo, "listening",
      {{"version", kVersion}, {"host", flags.host}, {"port", port}, {"model", flags.model.string()}});

  std::promise<void> loaded;
  std::thread loader([&] {
    try {
      load(flags, server);
      loaded.set_value();
    } catch (...) {
      loaded.set_exception(std::current_exception());
      kill(getpid(), SIGTERM);  // Ends the wait below.
    }
  });
  termination.wait();
  std::future<void> result = loaded.get_future();
  if (result.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    log(LogLevel::kInfo, "stopped while the model was loading");
    std::_Exit(0);  // Reading weights cannot be interrupted, and nobody needs them any more.
  }
  loader.join();
  result.get();
  log(LogLevel::kInfo, "draining", {{"limit_seconds", flags.shutdown_timeout_seconds}});
  server.shut_down(std::chrono::seconds(flags.shutdown_timeout_seconds));
  log(LogLevel::kInfo, "stopped");
  return 0;
}

}  // namespace
}  // namespace gpuinfer::server

int main(int argc, char** argv) {
  gpuinfer::server::ServerFlags flags;
  if (const auto exit_code = gpuinfer::server::parse_flags(argc, argv, flags)) return *exit_code;
  gpuinfer::set_log_level(gpuinfer::server::log_level(flags.log_level));
  try {
    if (flags.selftest) return gpuinfer::selftest::run(flags.backend, flags.threads, std::cout);
    return gpuinfer::server::run(flags);
  } catch (const gpuinfer::Error& error) {
    std::cerr << "error: " << error.what() << "\n";
    if (!error.remedy().empty()) std::cerr << "  " << error.remedy() << "\n";
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << "\n";
  }
  return 1;
}
