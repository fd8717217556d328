// Fuzz target: any bytes as a GGUF model. Whatever they are, loading ends in a model or an Error.
#include "runtime/model/model.hpp"

#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/read_weights.hpp"
#include "tests/temporary_folder.hpp"

using namespace gpuinfer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TemporaryFolder folder("/dev/shm");
  folder.write("model.gguf", fuzz::text_of(data, size));
  fuzz::accept_error([&] { fuzz::read_weights(model::load_model(model::find_model(folder.path()))); });
  return 0;
}
