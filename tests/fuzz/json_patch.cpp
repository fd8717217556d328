// Fuzz target: a JSON array of two values. The patch between them turns the first into the second.
#include "policies/json_patch.hpp"

#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/json_mutator.hpp"
#include "tests/fuzz/same.hpp"
#include "webhook/review_json.hpp"

using namespace gpuinfer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::accept_error([&] {
    const Json pair = webhook::parse_body(fuzz::text_of(data, size));
    if (!pair.is_array() || pair.size() != 2) return;
    const Json patch = policies::json_patch(pair[0], pair[1]);
    const Json patched = pair[0].patch(patch);
    fuzz::promise(fuzz::same(patched, pair[1]), "the patch makes the second value of the first", patch.dump(1));
    fuzz::promise(policies::json_patch(patched, pair[1]).empty(), "nothing is left to patch", patch.dump(1));
  });
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  return fuzz::mutate_json(data, size, max_size, seed);
}
