// policies/image_reference: the grammar of github.com/distribution/reference.
#include "policies/image_reference.hpp"

#include "base/error.hpp"
#include "catch.hpp"

using namespace gpuinfer;
using namespace gpuinfer::policies;

namespace {

const std::string kHex(64, 'a');
const std::string kSha256 = "sha256:" + kHex;

}  // namespace

TEST_CASE("image references have four parts, with Docker Hub's rules applied") {
  struct Case {
    std::string text, registry, repository, tag, digest;
  };
  const auto c = GENERATE(values<Case>({
      {"nginx", "docker.io", "library/nginx", "", ""},
      {"nginx:1.27", "docker.io", "library/nginx", "1.27", ""},
      {"vllm/vllm-openai:gptoss", "docker.io", "vllm/vllm-openai", "gptoss", ""},
      {"docker.io/nginx", "docker.io", "library/nginx", "", ""},
      {"docker.io/library/nginx", "docker.io", "library/nginx", "", ""},
      {"index.docker.io/nginx", "docker.io", "library/nginx", "", ""},
      {"registry-1.docker.io/vllm/vllm-openai", "docker.io", "vllm/vllm-openai", "", ""},
      {"a/b/c/d", "docker.io", "a/b/c/d", "", ""},
      {"ghcr.io/owner/image:v1", "ghcr.io", "owner/image", "v1", ""},
      {"quay.io/image", "quay.io", "image", "", ""},
      {"nginx@" + kSha256, "docker.io", "library/nginx", "", kSha256},
      {"registry.k8s.io/pause:3.10@" + kSha256, "registry.k8s.io", "pause", "3.10", kSha256},
      {"localhost/app", "localhost", "app", "", ""},
      {"localhost:5000/app:x", "localhost:5000", "app", "x", ""},
      {"host:5000/app", "host:5000", "app", "", ""},
      {"host:5000", "docker.io", "library/host", "5000", ""},
      {"127.0.0.1:5000/team/app:1", "127.0.0.1:5000", "team/app", "1", ""},
      {"[::1]:5000/app", "[::1]:5000", "app", "", ""},
      {"[2001:db8::1]/app:tag", "[2001:db8::1]", "app", "tag", ""},
      {"Host/app", "Host", "app", "", ""},
      {"under_score/double__under/da--sh/d.ot", "docker.io", "under_score/double__under/da--sh/d.ot", "", ""},
      {"app:_under.dash-9", "docker.io", "library/app", "_under.dash-9", ""},
      {"app:" + std::string(128, 't'), "docker.io", "library/app", std::string(128, 't'), ""},
      {"ghcr.io/" + kHex, "ghcr.io", kHex, "", ""},
      {"app@sha512:" + std::string(128, '0'), "docker.io", "library/app", "", "sha512:" + std::string(128, '0')},
      {"111122223333.dkr.ecr.us-west-2.amazonaws.com/github/a/b:1", "111122223333.dkr.ecr.us-west-2.amazonaws.com",
       "github/a/b", "1", ""},
  }));
  INFO(c.text);
  const ImageReference reference = parse_image_reference(c.text);
  CHECK(reference.registry == c.registry);
  CHECK(reference.repository == c.repository);
  CHECK(reference.tag == c.tag);
  CHECK(reference.digest == c.digest);

  const ImageReference again = parse_image_reference(to_string(reference));
  CHECK(to_string(again) == to_string(reference));
}

TEST_CASE("what is no image reference is refused") {
  const std::string text = GENERATE(
      std::string(""), std::string("Nginx"), std::string("ghcr.io/Owner/app"), std::string("a b"), std::string(" a"),
      std::string("/a"), std::string("a/"), std::string("a//b"), std::string("ghcr.io/"), std::string("a:"),
      std::string("a:-x"), std::string("a:.x"), std::string("a:x y"), std::string("a:b:c"), std::string("a@"),
      std::string("a@sha256:123"), "a@md5:" + std::string(32, 'a'), "a@sha256:" + std::string(64, 'A'),
      "a@" + kSha256 + "@" + kSha256, kHex, std::string("-a"), std::string("a-"), std::string("a..b"),
      std::string("a___b"), std::string("a._b"), std::string("-host.com/a"), std::string("host-.com/a"),
      std::string("host..com/a"), std::string("host:port/a"), std::string("host:/a"), std::string("[::1/a"),
      std::string("[xyz]/a"), std::string("[]/a"), std::string("https://ghcr.io/a/b"), std::string("模型/app"),
      "a:" + std::string(129, 't'), std::string(256, 'a'), "host.com/" + std::string(250, 'a'), std::string("a\n"),
      std::string("a\0b", 3));
  INFO(text);
  CHECK_THROWS_AS(parse_image_reference(text), Error);
}
