// Settings from the command line, the environment and a file, in this order.
#include "runtime/server/server_flags.hpp"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include "catch.hpp"
#include "runtime/model/tiny_model.hpp"
#include "temporary_folder.hpp"

namespace gpuinfer::server {
namespace {

/// What the program would print on standard error, and the flags.
struct Parsed {
  std::optional<int> exit_code;
  ServerFlags flags;
  std::string errors;
};

Parsed parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "gpuinfer-server");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  Parsed parsed;
  std::ostringstream errors;
  std::streambuf* const standard = std::cerr.rdbuf(errors.rdbuf());
  parsed.exit_code = parse_flags(static_cast<int>(argv.size()), argv.data(), parsed.flags);
  std::cerr.rdbuf(standard);
  parsed.errors = errors.str();
  return parsed;
}

class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Environment() { unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
};

TEST_CASE("the command line wins over the environment, and that over the file") {
  const TemporaryFolder folder;
  const std::string file = folder.write("server.yaml",
                                        "# ours\nmodel: /models/a\nmax-queue: 1\nport: 1\nmax-num-seqs: 1\n"
                                        "served-model-name: [x, y]\nskip-tokenizer-init: true\nhost: 127.0.0.1\n");
  const Environment queue("GPUINFER_MAX_QUEUE", "2");
  const Environment port("GPUINFER_PORT", "2");
  const Parsed parsed = parse({"--config", file, "--port", "3"});
  CHECK(parsed.exit_code == std::nullopt);
  CHECK(parsed.flags.model == "/models/a");
  CHECK(parsed.flags.port == 3);
  CHECK(parsed.flags.max_queue == 2);
  CHECK(parsed.flags.limits.max_running == 1);
  CHECK(parsed.flags.served_model_names == std::vector<std::string>{"x", "y"});
  CHECK(parsed.flags.skip_tokenizer_init);
  CHECK(parsed.flags.host == "127.0.0.1");
}

TEST_CASE("several names of a model") {
  using Names = std::vector<std::string>;
  CHECK(parse({"--model", "/models/a.gguf"}).flags.served_model_names == Names{"a"});
  CHECK(parse({"--model", "/m", "--served-model-name", "a", "b"}).flags.served_model_names == Names{"a", "b"});
  const Environment names("GPUINFER_SERVED_MODEL_NAME", "org/a,b");
  CHECK(parse({"--model", "/m"}).flags.served_model_names == Names{"org/a", "b"});
}

TEST_CASE("a self-test needs no model, and is not asked for by a file") {
  const Parsed parsed = parse({"--selftest", "--backend", "cuda"});
  CHECK(parsed.exit_code == std::nullopt);
  CHECK(parsed.flags.selftest);
  CHECK(parsed.flags.backend == "cuda");
  CHECK_FALSE(parse({"--model", "/m"}).flags.selftest);
  const TemporaryFolder folder;
  CHECK(parse({"--config", folder.write("server.yaml", "selftest: true\n")}).exit_code == 2);
}

TEST_CASE("what is wrong in a file is named with its place") {
  const auto [text, words] = GENERATE(table<std::string, std::string>({
      {"model: /m\nno-such-flag: 1\n", "server.yaml:2:15: unknown key 'no-such-flag'"},
      {"model: /m\nport: many\n", "server.yaml:2:7: "},
      {"model: /m\nport: 70000\n", "server.yaml:2:7: "},
      {"model: /m\nconfig: other.yaml\n", "'config' cannot be set in a file"},
      {"model: /m\nhelp: true\n", "cannot be set in a file"},
      {"- model\n", "one mapping"},
      {"model: [\n", "server.yaml:"},
      {"port: 1\n", "--model"},
  }));
  CAPTURE(text);
  const TemporaryFolder folder;
  const Parsed parsed = parse({"--config", folder.write("server.yaml", text)});
  CHECK(parsed.exit_code == 2);
  CHECK_THAT(parsed.errors, Catch::Contains(words));
  CHECK(parse({"--model", "/m", "--config", "/nowhere.yaml"}).exit_code == 2);
}

}  // namespace
}  // namespace gpuinfer::server
