#include "runtime/server/submission.hpp"

#include <utility>

#include "runtime/server/api_error.hpp"

namespace gpuinfer::server {

std::vector<engine::Generation> submit(engine::Engine& engine, std::vector<engine::GenerationRequest> requests) {
  try {
    return engine.submit(std::move(requests));
  } catch (const engine::QueueFull& error) {
    throw overloaded(std::string("The server has too many requests: ") + error.what() + ".");
  } catch (const engine::Draining&) {
    throw unavailable("The server is shutting down.");
  } catch (const engine::BackendBroken& error) {
    throw unavailable(std::string("The server is broken: ") + error.what() + ".");
  }
}

}  // namespace gpuinfer::server
