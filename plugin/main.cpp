// kubectl-gpuinfer, run by kubectl as `kubectl gpuinfer`.
#include "plugin/cli.hpp"

int main(int argc, char** argv) { return gpuinfer::plugin::run(argc, argv); }
