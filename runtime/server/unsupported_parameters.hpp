// Parameters of the API that would change an answer in a way that we cannot deliver.
#pragma once

#include "runtime/server/request_fields.hpp"

namespace gpuinfer::server {

/// Throws ApiError (400, code "unsupported_parameter") naming the first such field whose value asks for something.
void refuse_unsupported_parameters(const RequestFields& fields);

}  // namespace gpuinfer::server
