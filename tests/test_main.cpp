// The main() of every test program: compiled once, because Catch2 v2 is slow to compile.
#define CATCH_CONFIG_RUNNER
#include "catch.hpp"

#ifdef __SANITIZE_THREAD__
/// httplib's library is compiled without ThreadSanitizer, which cannot see how it guards the constant that ends every
/// stream, and takes two streams that are the first to end for a race.
extern "C" const char* __tsan_default_suppressions() { return "race:httplib::detail::write_data\n"; }
#endif

int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
