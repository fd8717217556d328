#include "runtime/server/embeddings.hpp"

#include <bit>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/base64.hpp"
#include "runtime/server/api_error.hpp"
#include "runtime/server/embedding_request.hpp"
#include "runtime/server/submission.hpp"

namespace gpuinfer::server {
namespace {

constexpr std::chrono::milliseconds kConnectionCheck(50);

/// As an array, or as little-endian float32 in base64.
Json to_json(const std::vector<float>& embedding, bool base64) {
  static_assert(std::endian::native == std::endian::little);
  if (!base64) return embedding;
  return base64_encode({reinterpret_cast<const char*>(embedding.data()), embedding.size() * sizeof(float)});
}

/// The inputs' tokens. Throws ApiError where one is too long, and where there are too many.
std::vector<engine::GenerationRequest> generation_requests(const EmbeddingRequest& request, const ServedModel& model) {
  if (std::ssize(request.inputs) > model.engine->capacity()) {
    throw invalid_request("'input' has " + std::to_string(request.inputs.size()) + " texts, and the server takes " +
                              std::to_string(model.engine->capacity()) + " at once.",
                          "input");
  }
  std::vector<engine::GenerationRequest> requests;
  for (const Prompt& input : request.inputs) {
    std::vector<TokenId> tokens = to_tokens(input, model, request.add_special_tokens, "input");
    if (request.truncate_prompt_tokens) truncate(tokens, *request.truncate_prompt_tokens, model);
    check_prompt(tokens, model, 0, "input");
    engine::GenerationRequest& added = requests.emplace_back();
    added.prompt = std::move(tokens);
    added.embedding = model.pooling;
    added.priority = request.priority;
    if (model.request_timeout.count() > 0) added.deadline = engine::Clock::now() + model.request_timeout;
  }
  return requests;
}

/// One for each input; counts them in the metrics when the request ends, in whatever way.
class Records {
 public:
  Records(const std::vector<std::int64_t>& prompt_tokens, Metrics& metrics) : metrics_(metrics) {
    for (const std::int64_t tokens : prompt_tokens) records_.emplace_back().prompt_tokens = tokens;
  }
  ~Records() {
    for (const RequestRecord& record : records_) metrics_.on_finish(record);
  }
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  RequestRecord& operator[](std::size_t input) { return records_[input]; }

 private:
  Metrics& metrics_;
  std::vector<RequestRecord> records_;
};

/// Empty where the client left before.
std::vector<float> wait(engine::Generation& generation, RequestRecord& record, const HttpConnection& connection) {
  try {
    while (true) {
      engine::Progress progress = generation.next(kConnectionCheck);
      if (progress.finished) {
        record.finished_reason = "stop";
        return std::move(progress.embedding);
      }
      if (connection.is_gone()) return {};
    }
  } catch (const engine::DeadlineExceeded&) {
    throw deadline_exceeded();
  } catch (const engine::GenerationFailed& error) {
    record.finished_reason = "error";
    throw server_error(std::string("The embedding failed: ") + error.what() + ".");
  }
}

}  // namespace

Json embed(const Json& body, const ServedModel& model, Metrics& metrics, const HttpConnection& connection) {
  check_model(body, model);
  const EmbeddingRequest request = parse_embedding_request(body);
  std::vector<engine::GenerationRequest> requests = generation_requests(request, model);
  std::vector<std::int64_t> lengths;
  for (const engine::GenerationRequest& one : requests) lengths.push_back(std::ssize(one.prompt));
  std::vector<engine::Generation> generations = submit(*model.engine, std::move(requests));
  Records records(lengths, metrics);

  Json data = Json::array();
  std::int64_t prompt_tokens = 0;
  for (std::size_t i = 0; i < generations.size(); ++i) {
    const std::vector<float> embedding = wait(generations[i], records[i], connection);
    if (embedding.empty()) return nullptr;
    data.push_back({{"object", "embedding"}, {"index", i}, {"embedding", to_json(embedding, request.base64)}});
    prompt_tokens += records[i].prompt_tokens;
  }
  return {{"object", "list"},
          {"data", std::move(data)},
          {"model", model.name()},
          {"usage", {{"prompt_tokens", prompt_tokens}, {"total_tokens", prompt_tokens}}}};
}

}  // namespace gpuinfer::server
