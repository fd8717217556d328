// POST /v1/embeddings: texts or token ids go in, one vector for each comes out.
#pragma once

#include <memory>

#include "base/json.hpp"
#include "runtime/server/http_connection.hpp"
#include "runtime/server/metrics.hpp"
#include "runtime/server/served_model.hpp"

namespace gpuinfer::server {

/// Waits for the whole reply. Null where the client left before. Throws ApiError.
Json embed(const Json& body, const ServedModel& model, Metrics& metrics, const HttpConnection& connection);

}  // namespace gpuinfer::server
