// `logs`: what a deployment's servers say.
#include <filesystem>
#include <iostream>
#include <memory>
#include <mutex>
#include <thread>

#include "plugin/cluster_connection.hpp"
#include "plugin/cluster_deployment.hpp"
#include "plugin/commands/commands.hpp"
#include "plugin/example.hpp"
#include "plugin/line_printer.hpp"
#include "plugin/local_deployment.hpp"
#include "plugin/log_tail.hpp"
#include "plugin/target.hpp"

namespace gpuinfer::plugin {

namespace {

struct LogsCommandOptions {
  std::string name;
  std::optional<int> tail;
  bool follow = false;
  bool previous = false;
  bool local = false;
};

void print_local_logs(const LogsCommandOptions& options) {
  const LocalDeployment deployment = require_local_deployment(options.name);
  if (options.previous) throw Error("a local deployment keeps only the log of its last run", "leave out --previous");
  std::error_code missing;
  const auto size = std::filesystem::file_size(deployment.log(), missing);
  if (missing) throw Error("cannot read " + deployment.log().string() + ": " + missing.message());
  const auto offset = options.tail ? size - last_lines(deployment.log(), *options.tail).size() : 0;
  follow_file(deployment.log(), offset, std::cout, [&] { return options.follow && is_alive(deployment.process); });
}

void print_cluster_logs(const LogsCommandOptions& options, const GlobalOptions& global) {
  kube::Client client = connect(global);
  require_deployment(client, options.name);
  const std::vector<std::string> pods = pod_names(client, options.name);
  if (pods.empty()) {
    throw Error(options.name + " has no pods, so there are no logs",
                "'kubectl gpuinfer status " + options.name + "' shows why");
  }
  const kube::LogOptions log_options{.container = "server",
                                     .follow = options.follow,
                                     .previous = options.previous,
                                     .timestamps = false,
                                     .tail_lines = options.tail,
                                     .since_seconds = {}};
  std::mutex output;
  std::mutex failure_mutex;
  std::exception_ptr failure;
  std::vector<std::jthread> readers;
  for (const std::string& pod : pods) {
    readers.emplace_back([&, pod] {
      try {
        LinePrinter printer(std::cout, output, pods.size() > 1 ? pod + " | " : "");
        client.logs(client.namespace_name(), pod, log_options, [&](std::string_view piece) {
          printer.feed(piece);
          return std::cout.good();
        });
      } catch (...) {
        const std::lock_guard lock(failure_mutex);
        failure = std::current_exception();
      }
    });
  }
  readers.clear();  // joins
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

void add_logs_command(CLI::App& program, GlobalOptions& global) {
  auto options = std::make_shared<LogsCommandOptions>();
  CLI::App* logs = program.add_subcommand("logs", "Print what a deployment's servers say");
  logs->add_option("NAME", options->name, "The deployment's name")->type_name("")->required();
  logs->add_flag("-f,--follow", options->follow, "Go on printing what is added");
  logs->add_option("--tail", options->tail, "Only the last lines (default: all)")
      ->type_name("LINES")
      ->check(quiet(CLI::NonNegativeNumber));
  logs->add_flag("-p,--previous", options->previous, "Of the container's last run, when it was restarted");
  add_local_option(*logs, options->local);
  add_global_options(*logs, global);
  add_examples(*logs, {{"Everything so far", "kubectl gpuinfer logs smollm2-135m"},
                       {"The last 20 lines, and what follows", "kubectl gpuinfer logs smollm2-135m -f --tail 20"}});
  logs->callback([options, &global] {
    if (is_local_target(options->name, options->local, global)) {
      print_local_logs(*options);
    } else {
      print_cluster_logs(*options, global);
    }
  });
}

}  // namespace gpuinfer::plugin
