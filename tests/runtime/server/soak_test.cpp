// Many clients for a while, over HTTP and the CPU backend: those that stay get what each would get alone, whatever
// those do that leave, and nothing is left behind. GPUINFER_SOAK_SECONDS says how long; CI takes five minutes.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "base/log.hpp"
#include "catch.hpp"
#include "runtime/backend/cpu/cpu_backend.hpp"
#include "runtime/backend/kv_groups.hpp"
#include "runtime/model/model.hpp"
#include "runtime/server/server.hpp"

namespace gpuinfer::server {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t kClients = 64;
/// Different requests; each is asked for again and again.
constexpr std::uint64_t kRequests = 200;
constexpr std::uint64_t kVocabulary = 320;

std::chrono::seconds duration() {
  const char* const seconds = std::getenv("GPUINFER_SOAK_SECONDS");
  return std::chrono::seconds(seconds ? std::atoi(seconds) : 12);
}

/// gpt-oss's shape: layers with and without a window.
std::shared_ptr<const ServedModel> serve(const engine::EngineOptions& options, std::int64_t pages) {
  const model::Model model = model::load_model(model::find_model("runtime/fixtures/gpt-oss-mxfp4"));
  return std::make_shared<ServedModel>(
      ServedModel{.names = {"tiny"},
                  .text = std::nullopt,
                  .stop_ids = {3},
                  .engine = std::make_unique<engine::Engine>(
                      backend::make_cpu_backend(model, backend::make_kv_groups(model.config, pages), 2), options)});
}

/// Prompts of 1 to 150 tokens, many with the same beginning; 1 to 40 tokens are wanted.
Json random_request(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<TokenId> prompt(1 + random() % 150, static_cast<TokenId>(seed % 3));
  for (std::size_t i = random() % prompt.size(); i < prompt.size(); ++i) {
    prompt[i] = static_cast<TokenId>(random() % kVocabulary);
  }
  Json request = {{"prompt", prompt},         {"max_tokens", 1 + random() % 40},      {"seed", seed},
                  {"return_token_ids", true}, {"temperature", seed % 3 == 0 ? 0 : 1}, {"n", 1 + seed % 8 / 7}};
  if (seed % 5 == 0) request["frequency_penalty"] = 0.5;
  if (seed % 7 == 0) request["logprobs"] = 2;
  if (seed % 11 == 0) request["cache_salt"] = "tenant";
  return request;
}

/// All token ids of a reply's choices, by index.
using Tokens = std::map<int, std::vector<int>>;

void add_tokens(const Json& reply, Tokens& tokens) {
  for (const Json& choice : reply.at("choices")) {
    if (!choice.contains("token_ids")) continue;
    auto& ids = tokens[choice.at("index").get<int>()];
    for (const Json& id : choice.at("token_ids")) ids.push_back(id.get<int>());
  }
}

class Client {
 public:
  Client(int port, const std::vector<Tokens>& expected, std::uint64_t seed)
      : port_(port), expected_(expected), random_(seed) {}

  void run(engine::Clock::time_point end) {
    while (engine::Clock::now() < end) one_request();
  }

  std::int64_t answered = 0;
  std::int64_t wrong = 0;
  std::int64_t refused = 0;
  std::string first_wrong;

 private:
  void one_request() {
    const std::uint64_t seed = random_() % kRequests;
    Json request = random_request(seed);
    const bool streams = random_() % 2 == 0;
    if (streams) request["stream"] = true;
    const std::uint64_t whim = random_() % 10;
    if (whim == 0) return leave_at_once(request);
    if (whim == 1) request["timeout"] = 0.001 * static_cast<double>(1 + random_() % 100);
    if (whim == 2) request["max_tokens"] = 150;
    const std::size_t patience = whim <= 3 ? random_() % 2000 : std::string::npos;
    check(seed, ask(request, patience), streams, whim > 3);
  }

  /// The body of the response, or as much of it as the client waits for.
  std::pair<int, std::string> ask(const Json& request, std::size_t patience) {
    httplib::Client client("127.0.0.1", port_);
    client.set_read_timeout(600s);
    httplib::Request post;
    post.method = "POST";
    post.path = "/v1/completions";
    post.body = request.dump();
    std::string body;
    post.content_receiver = [&](const char* bytes, std::size_t size, std::uint64_t, std::uint64_t) {
      body.append(bytes, size);
      return body.size() < patience;
    };
    const httplib::Result result = client.send(post);
    return {result ? result->status : 0, body};
  }

  void check(std::uint64_t seed, const std::pair<int, std::string>& response, bool streams, bool stays) {
    const auto& [status, body] = response;
    if (status == 429) {
      ++refused;
      std::this_thread::sleep_for(50ms);
    }
    if (!stays || status == 429) return;
    Tokens tokens;
    if (streams) {
      for (std::size_t begin = 0; (begin = body.find("data: {", begin)) != std::string::npos;) {
        begin += 6;
        add_tokens(Json::parse(body.substr(begin, body.find('\n', begin) - begin)), tokens);
      }
    } else if (status == 200) {
      add_tokens(Json::parse(body), tokens);
    }
    ++answered;
    if (status == 200 && tokens == expected_[seed]) return;
    if (wrong++ == 0) first_wrong = "request " + std::to_string(seed) + ": " + std::to_string(status) + " " + body;
  }

  void leave_at_once(const Json& request) {
    const int connection = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      const std::string body = request.dump();
      const std::string head = "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ";
      const std::string bytes = head + std::to_string(body.size()) + "\r\n\r\n" + body;
      send(connection, bytes.data(), random_() % (2 * bytes.size()) % bytes.size() + 1, MSG_NOSIGNAL);
    }
    close(connection);
  }

  int port_;
  const std::vector<Tokens>& expected_;
  std::mt19937_64 random_;
};

/// What each request gets alone, in an engine that remembers nothing and has room for everything.
std::vector<Tokens> answers_alone() {
  Server server({.host = "127.0.0.1", .port = 0, .served_model_name = "tiny"});
  httplib::Client client("127.0.0.1", server.start());
  client.set_read_timeout(600s);
  server.serve(serve({.reuse_prefixes = false}, 200));
  std::vector<Tokens> answers(kRequests);
  for (std::uint64_t seed = 0; seed < kRequests; ++seed) {
    const auto response = client.Post("/v1/completions", random_request(seed).dump(), "application/json");
    REQUIRE(response);
    REQUIRE(response->status == 200);
    add_tokens(Json::parse(response->body), answers[seed]);
  }
  return answers;
}

TEST_CASE("64 clients that come, wait, leave and hang up for a while") {
  set_log_level(LogLevel::kError);
  const std::vector<Tokens> expected = answers_alone();

  Server server({.host = "127.0.0.1", .port = 0, .served_model_name = "tiny"});
  const int port = server.start();
  const auto model = serve({.limits = {.max_batch_tokens = 48, .max_running = 24}, .max_waiting = 32}, 60);
  server.serve(model);
  std::vector<Client> clients;
  for (std::size_t i = 0; i < kClients; ++i) clients.emplace_back(port, expected, i);
  std::vector<std::thread> threads;
  const auto end = engine::Clock::now() + duration();
  for (Client& client : clients) threads.emplace_back([&client, end] { client.run(end); });
  for (std::thread& thread : threads) thread.join();

  std::int64_t answered = 0;
  std::int64_t wrong = 0;
  std::int64_t refused = 0;
  std::string first_wrong;
  for (const Client& client : clients) {
    if (client.wrong > 0) first_wrong = client.first_wrong;
    answered += client.answered;
    wrong += client.wrong;
    refused += client.refused;
  }
  WARN(answered << " answers checked, " << refused << " requests refused by a full queue");
  CHECK(answered > 0);
  INFO(first_wrong);
  CHECK(wrong == 0);
  REQUIRE(model->engine->wait_until_idle(10min));
  CHECK(model->engine->statistics().kv_pages_used == 0);
}

}  // namespace
}  // namespace gpuinfer::server
