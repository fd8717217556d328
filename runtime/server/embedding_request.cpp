#include "runtime/server/embedding_request.hpp"

#include <limits>

#include "runtime/server/api_error.hpp"
#include "runtime/server/request_fields.hpp"
#include "runtime/server/unsupported_parameters.hpp"

namespace gpuinfer::server {

EmbeddingRequest parse_embedding_request(const Json& body) {
  constexpr std::int64_t kMaxInt64 = std::numeric_limits<std::int64_t>::max();
  const RequestFields fields(body);
  refuse_unsupported_parameters(fields);
  EmbeddingRequest request{.inputs = parse_prompts(fields.find("input"), "input")};
  const std::string format = fields.string("encoding_format").value_or("float");
  if (format != "float" && format != "base64") {
    throw invalid_request("'encoding_format' must be 'float' or 'base64', not '" + format + "'.", "encoding_format");
  }
  request.base64 = format == "base64";
  request.add_special_tokens = fields.boolean("add_special_tokens").value_or(true);
  request.truncate_prompt_tokens = fields.integer("truncate_prompt_tokens", -1, kMaxInt64);
  request.priority = fields.integer("priority", -kMaxInt64, kMaxInt64).value_or(0);
  return request;
}

}  // namespace gpuinfer::server
