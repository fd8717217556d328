// The host names of Amazon ECR's private registries.
#pragma once

#include <string_view>

namespace gpuinfer::policies {

/// True for ACCOUNT.dkr.ecr[-fips].REGION.SUFFIX and the dual-stack ACCOUNT.dkr-ecr[-fips].REGION.SUFFIX, whose suffix
/// is the one of the region's partition (aws, aws-us-gov, aws-cn).
bool is_private_ecr(std::string_view host);

/// True where a host has ".dkr.ecr" or ".dkr-ecr" in it, as private registries do, without being one: a typing mistake.
bool is_misspelled_ecr(std::string_view host);

}  // namespace gpuinfer::policies
