// Fuzz target: the body of a request to the inference server, read as each of its endpoints reads it. What is
// understood or refused is fine, as long as the refusal is an error of the API, in valid JSON.
#include "runtime/server/api_error.hpp"
#include "runtime/server/completion_request.hpp"
#include "runtime/server/embedding_request.hpp"
#include "runtime/server/request_fields.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/json_mutator.hpp"

using namespace gpuinfer;

namespace {

template <typename Parse>
void check(std::string_view body, Parse parse) {
  try {
    parse(server::parse_body(body));
  } catch (const server::ApiError& error) {
    const std::string text = server::to_text(error.body());
    fuzz::promise(error.status() == 400, "a body that cannot be read is a bad request", text);
    fuzz::promise(Json::accept(text), "an error is valid JSON", text);
    fuzz::promise(text.size() < 8192, "an error does not repeat the body", text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body = fuzz::text_of(data, size);
  check(body, [](const Json& json) { server::parse_chat_request(json, {}); });
  check(body, [](const Json& json) { server::parse_completion_request(json, {}); });
  check(body, [](const Json& json) { server::parse_embedding_request(json); });
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  return fuzz::mutate_json(data, size, max_size, seed);
}
