// What is told about a model that is loading.
#include "runtime/server/load_report.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <thread>

#include "base/file.hpp"
#include "base/log.hpp"
#include "catch.hpp"
#include "runtime/server/model_loader.hpp"
#include "temporary_folder.hpp"
#include "tiny_model.hpp"

namespace gpuinfer::server {
namespace {

/// Standard error goes to a file.
class CapturedLog {
 public:
  CapturedLog() : original_(dup(STDERR_FILENO)) {
    const int file = open(path().c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(file, STDERR_FILENO);
    close(file);
    set_log_level(LogLevel::kInfo);
  }
  ~CapturedLog() {
    set_log_level(LogLevel::kError);
    dup2(original_, STDERR_FILENO);
    close(original_);
  }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;

  /// Waits for a line of that message with that share.
  Json wait_for(const std::string& message, double share) const {
    while (true) {
      const std::string text = read_file(path());
      for (std::size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
        const Json line = Json::parse(text.substr(begin, end - begin));
        if (line["message"] == message && line.value("share", -1.0) == share) return line;
      }
      std::this_thread::yield();
    }
  }

 private:
  std::filesystem::path path() const { return folder_.path() / "log"; }

  TemporaryFolder folder_;
  int original_;
};

TEST_CASE("lines of the log tell how far loading has come") {
  const auto progress = std::make_shared<model::LoadProgress>();
  const CapturedLog captured;
  const LoadReporter reporter(progress, std::chrono::milliseconds(1));
  captured.wait_for("loading", -1);
  progress->total_bytes = 4000;
  progress->loaded_bytes = 1000;
  CHECK(captured.wait_for("loading", 0.25)["loaded_bytes"] == 1000);
  progress->loaded_bytes = 4000;
  const Json line = captured.wait_for("loading", 1);
  CHECK(line["total_bytes"] == 4000);
  CHECK(line["gb_per_second"].is_number());
}

TEST_CASE("a reporter ends at once, whatever its interval") {
  const LoadReporter reporter(std::make_shared<model::LoadProgress>(), std::chrono::hours(1));
}

TEST_CASE("the summary has the storage's own speed where it is known") {
  model::LoadProgress progress;
  CHECK(describe(progress) == Json::object());
  progress.loaded_bytes = 3'000'000'000;
  progress.finish();
  CHECK_FALSE(summarize(progress).contains("storage_gb_per_second"));
  CHECK(summarize(progress) == summarize(progress));
  progress.read_bytes = 4'000'000'000;
  progress.reading = std::chrono::seconds(2);
  progress.waiting = std::chrono::seconds(1);
  const Json summary = summarize(progress);
  CHECK(summary["storage_gb_per_second"] == 2.0);
  CHECK(summary["storage_wait_seconds"] == 1.0);
}

TEST_CASE("the CPU backend tells how much it has packed") {
  const TemporaryFolder folder;
  ServerFlags flags;
  flags.model = folder.write("model.gguf", model::tiny_llama_gguf(model::DataType::kF32));
  flags.served_model_names = {"tiny"};
  flags.backend = "cpu";
  flags.threads = 2;
  flags.skip_tokenizer_init = true;
  const auto progress = std::make_shared<model::LoadProgress>();
  load_served_model(flags, {}, progress);
  CHECK(progress->total_bytes > 0);
  CHECK(progress->loaded_bytes == progress->total_bytes);
}

}  // namespace
}  // namespace gpuinfer::server
