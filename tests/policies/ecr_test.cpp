// policies/ecr: the hosts of private registries in every partition and form.
#include "policies/ecr.hpp"

#include <string>

#include "catch.hpp"

using namespace gpuinfer::policies;

TEST_CASE("hosts of private registries are known in every partition and form") {
  const std::string host = GENERATE(
      "111122223333.dkr.ecr.us-west-2.amazonaws.com", "111122223333.dkr.ecr.us-gov-west-1.amazonaws.com",
      "111122223333.dkr.ecr.cn-northwest-1.amazonaws.com.cn", "111122223333.dkr.ecr-fips.us-east-1.amazonaws.com",
      "111122223333.dkr.ecr-fips.us-gov-east-1.amazonaws.com", "111122223333.dkr-ecr.eu-central-1.on.aws",
      "111122223333.dkr-ecr-fips.us-east-2.on.aws", "111122223333.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn");
  INFO(host);
  CHECK(is_private_ecr(host));
  CHECK_FALSE(is_misspelled_ecr(host));
}

TEST_CASE("what is nearly such a host is a typing mistake") {
  const std::string host =
      GENERATE("11112222333.dkr.ecr.us-west-2.amazonaws.com", "1111222233334.dkr.ecr.us-west-2.amazonaws.com",
               "111122223333.dkr.ecr.us-west.amazonaws.com", "111122223333.dkr.ecr.amazonaws.com",
               "111122223333.dkr.ecr.cn-north-1.amazonaws.com", "111122223333.dkr.ecr.us-west-2.amazonaws.com.cn",
               "111122223333.dkr.ecr-fips.cn-north-1.amazonaws.com.cn", "111122223333.dkr-ecr.us-west-2.amazonaws.com",
               "111122223333.dkr.ecr.us-west-2.amazonaws.com.evil.example", "account.dkr.ecr.us-west-2.amazonaws.com");
  INFO(host);
  CHECK_FALSE(is_private_ecr(host));
  CHECK(is_misspelled_ecr(host));
}

TEST_CASE("other registries are neither") {
  const std::string host = GENERATE("public.ecr.aws", "ghcr.io", "", "amazonaws.com", "111122223333");
  CHECK_FALSE(is_private_ecr(host));
  CHECK_FALSE(is_misspelled_ecr(host));
}
