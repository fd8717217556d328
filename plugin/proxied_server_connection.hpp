// A gpuinfer-server in a cluster, reached through the API server's service proxy: it works wherever kubectl works.
#pragma once

#include "kube/client.hpp"
#include "plugin/server_connection.hpp"

namespace gpuinfer::plugin {

class ProxiedServerConnection : public ServerConnection {
 public:
  /// `client` must outlive the connection.
  ProxiedServerConnection(kube::Client& client, kube::ServicePort service)
      : client_(client), service_(std::move(service)) {}

  HttpAnswer get(const std::string& path) override;
  HttpAnswer post(const std::string& path, const std::string& body,
                  const std::function<bool(std::string_view)>& on_piece) override;

 private:
  kube::Client& client_;
  kube::ServicePort service_;
};

}  // namespace gpuinfer::plugin
