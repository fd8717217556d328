#include "runtime/server/event_stream.hpp"

#include "runtime/server/api_error.hpp"

namespace gpuinfer::server {

std::string format_event(const Json& data) { return "data: " + to_text(data) + "\n\n"; }

bool EventStream::send(const Json& data) { return write(format_event(data)); }

bool EventStream::end() {
  const bool written = write("data: [DONE]\n\n");
  sink_.done();
  return written;
}

bool EventStream::write(const std::string& text) { return sink_.write(text.data(), text.size()); }

}  // namespace gpuinfer::server
