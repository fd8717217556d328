// Fuzz target: any text as an image reference. What is accepted has one full form, which means the same image.
#include "policies/image_reference.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace gpuinfer;
using namespace gpuinfer::policies;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::accept_error([&] {
    const ImageReference reference = parse_image_reference(fuzz::text_of(data, size));
    const std::string full = to_string(reference);
    const ImageReference again = parse_image_reference(full);
    fuzz::promise(to_string(again) == full, "the full form of a reference is stable", full);
    fuzz::promise(again.registry == reference.registry && again.repository == reference.repository &&
                      again.tag == reference.tag && again.digest == reference.digest,
                  "the full form of a reference has the same parts", full);
  });
  return 0;
}
