// Server-sent events, as OpenAI's clients read them.
#pragma once

#include <httplib.h>

#include <string>

#include "base/json.hpp"

namespace gpuinfer::server {

/// "data: {...}\n\n"
std::string format_event(const Json& data);

/// The body of one streamed response.
class EventStream {
 public:
  explicit EventStream(httplib::DataSink& sink) : sink_(sink) {}

  /// False where the client is gone.
  bool send(const Json& data);
  /// Sends "data: [DONE]" and ends the response.
  bool end();

 private:
  bool write(const std::string& text);

  httplib::DataSink& sink_;
};

}  // namespace gpuinfer::server
