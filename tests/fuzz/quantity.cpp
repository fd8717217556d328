// Fuzz target: any text as a Kubernetes quantity. What is accepted as bytes comes back from its written form.
#include "policies/quantity.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace gpuinfer;
using namespace gpuinfer::policies;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::accept_error([&] {
    const std::int64_t bytes = parse_quantity(fuzz::text_of(data, size));
    const std::string written = format_bytes(bytes);
    fuzz::promise(parse_quantity(written) == bytes, "format_bytes writes what parse_quantity reads", written);
  });
  return 0;
}
