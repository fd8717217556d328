// The main() of every test program: compiled once, because Catch2 v2 is slow to compile.
#define CATCH_CONFIG_RUNNER
#include "catch.hpp"

int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
