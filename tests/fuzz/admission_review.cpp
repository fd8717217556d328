// Fuzz target: any body of a POST /mutate, with the default policies and with ones that have everything switched on.
#include "webhook/admission_review.hpp"

#include "base/base64.hpp"
#include "fuzz/embedded.hpp"
#include "policies/pod.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/idempotence.hpp"
#include "tests/fuzz/json_mutator.hpp"
#include "tests/fuzz/same.hpp"
#include "webhook/review_json.hpp"

using namespace gpuinfer;

namespace {

/// parse_body leaves metadata.managedFields out: no policy reads them.
Json without_managed_fields(Json value) {
  if (!value.is_structured()) return value;
  for (auto item = value.begin(); item != value.end(); ++item) {
    if (value.is_object() && item.key() == "metadata" && item->is_object()) item->erase("managedFields");
    *item = without_managed_fields(std::move(*item));
  }
  return value;
}

/// What the API server would make of the answer: `sent` is the object as it stands in the request's body.
void check(const Json& review, const Json& sent, const policies::PolicySet& policies) {
  const webhook::AdmissionResult result = webhook::review(review, policies);
  const Json& request = review["request"];
  const Json& response = result.response["response"];
  fuzz::promise(response["uid"] == request["uid"], "the uid comes back");
  result.response.dump();  // throws where a text is not UTF-8

  if (result.injection.outcome != policies::Outcome::kInjected) {
    fuzz::promise(!response.contains("patch"), "only an injected object is patched");
    return;
  }
  if (response.contains("patch")) {
    const std::string patch = base64_decode(response["patch"].get<std::string>()).value_or("");
    fuzz::promise(fuzz::same(without_managed_fields(sent.patch(Json::parse(patch))), result.injection.object),
                  "the patch makes the injected object of the one that was sent", patch);
  }
  fuzz::check_admission(request["object"], policies, policies::text_at(request, "namespace"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const policies::PolicySet everything =
      policies::parse_policy_files({{"everything.yaml", std::string(fuzz::embedded::everything_yaml)}});
  fuzz::accept_error([&] {
    const std::string_view body = fuzz::text_of(data, size);
    const Json review = webhook::parse_body(body);
    const Json whole = Json::parse(body);
    const Json sent = policies::member(policies::member(whole, "request"), "object");
    const Json& read = policies::member(policies::member(review, "request"), "object");
    fuzz::promise(fuzz::same(without_managed_fields(sent), read), "the object is read as it was sent", read.dump(1));
    check(review, sent, policies::default_policies());
    check(review, sent, everything);
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
