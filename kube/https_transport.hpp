// The real Transport: HTTP/1.1 over TLS, with kept-alive connections.
#pragma once

#include <memory>

#include "kube/kubeconfig.hpp"
#include "kube/transport.hpp"

namespace gpuinfer::kube {

/// A Transport to `connection.cluster` as `connection.user`; asks for a new credential once when the server answers
/// 401. Throws Error for a server or proxy URL that is none.
std::unique_ptr<Transport> https_transport(const Connection& connection);

}  // namespace gpuinfer::kube
