// Tolerations on the command line.
#include "plugin/toleration.hpp"

#include "base/error.hpp"
#include "catch.hpp"

namespace gpuinfer::plugin {

TEST_CASE("a toleration is written as kubectl taint writes taints") {
  CHECK(parse_toleration("nvidia.com/gpu") == Json{{"key", "nvidia.com/gpu"}, {"operator", "Exists"}});
  CHECK(parse_toleration("a=b:NoSchedule") ==
        Json{{"key", "a"}, {"operator", "Equal"}, {"value", "b"}, {"effect", "NoSchedule"}});
  CHECK(parse_toleration("a:NoExecute") == Json{{"key", "a"}, {"operator", "Exists"}, {"effect", "NoExecute"}});
  CHECK(parse_toleration("a=") == Json{{"key", "a"}, {"operator", "Equal"}, {"value", ""}});
  for (const char* wrong : {"", "=b", ":NoSchedule", "a:Never", "a:"}) {
    INFO(wrong);
    CHECK_THROWS_AS(parse_toleration(wrong), Error);
  }
}

}  // namespace gpuinfer::plugin
