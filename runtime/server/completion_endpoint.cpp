#include "runtime/server/completion_endpoint.hpp"

namespace gpuinfer::server {

std::string_view to_string(engine::FinishReason reason) {
  return reason == engine::FinishReason::kStop ? "stop" : "length";
}

}  // namespace gpuinfer::server
