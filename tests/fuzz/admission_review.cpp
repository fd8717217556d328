// Fuzz target: any body of a POST /mutate, with the default policies and with ones that have everything switched on.
#include "webhook/admission_review.hpp"
#include "webhook/review_json.hpp"

#include "base/base64.hpp"
#include "fuzz/embedded.hpp"
#include "policies/pod.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/idempotence.hpp"
#include "tests/fuzz/json_mutator.hpp"
#include "tests/fuzz/same.hpp"

using namespace gpuinfer;

namespace {

void check(const Json& review, const policies::PolicySet& policies) {
  const webhook::AdmissionResult result = webhook::review(review, policies);
  const Json& request = review["request"];
  const Json& response = result.response["response"];
  fuzz::promise(response["uid"] == request["uid"], "the uid comes back");
  result.response.dump();  // throws where a text is not UTF-8

  if (result.injection.outcome != policies::Outcome::kInjected) {
    fuzz::promise(!response.contains("patch"), "only an injected object is patched");
    return;
  }
  const Json& object = request["object"];
  if (response.contains("patch")) {
    const auto patch = base64_decode(response["patch"].get<std::string>());
    fuzz::promise(patch && fuzz::same(object.patch(Json::parse(*patch)), result.injection.object),
                  "the patch makes the injected object", patch.value_or(""));
  }
  fuzz::check_admission(object, policies, policies::text_at(request, "namespace"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const policies::PolicySet everything =
      policies::parse_policy_files({{"everything.yaml", std::string(fuzz::embedded::everything_yaml)}});
  fuzz::accept_error([&] {
    const Json review = webhook::parse_body(fuzz::text_of(data, size));
    check(review, policies::default_policies());
    check(review, everything);
  });
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  return fuzz::mutate_json(data, size, max_size, seed);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* first, std::size_t first_size,
                                                 const std::uint8_t* second, std::size_t second_size, std::uint8_t* out,
                                                 std::size_t max_out_size, unsigned seed) {
  return fuzz::cross_json(fuzz::text_of(first, first_size), fuzz::text_of(second, second_size), out, max_out_size,
                          seed);
}
