// A gpuinfer-server on this machine, reached over the loopback interface.
#pragma once

#include "plugin/server_connection.hpp"

namespace gpuinfer::plugin {

class LocalServerConnection : public ServerConnection {
 public:
  explicit LocalServerConnection(int port) : port_(port) {}

  HttpAnswer get(const std::string& path) override;
  HttpAnswer post(const std::string& path, const std::string& body,
                  const std::function<bool(std::string_view)>& on_piece) override;

 private:
  int port_;
};

}  // namespace gpuinfer::plugin
