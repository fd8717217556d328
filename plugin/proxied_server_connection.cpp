// HTTP through services/proxy.
#include "plugin/proxied_server_connection.hpp"

namespace gpuinfer::plugin {

HttpAnswer ProxiedServerConnection::get(const std::string& path) {
  const kube::HttpResponse response = client_.proxy(service_, {.method = "GET", .path = path});
  return {.status = response.status, .body = response.body};
}

HttpAnswer ProxiedServerConnection::post(const std::string& path, const std::string& body,
                                         const std::function<bool(std::string_view)>& on_piece) {
  kube::HttpRequest request{.method = "POST", .path = path, .body = body};
  request.timeout = kTokenTimeout;
  const kube::HttpResponse response = client_.proxy(service_, request, on_piece);
  return {.status = response.status, .body = response.body};
}

}  // namespace gpuinfer::plugin
