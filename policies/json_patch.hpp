// JSON Patch (RFC 6902) between two versions of an object.
#pragma once

#include "base/json.hpp"

namespace gpuinfer::policies {

/// The operations that turn `before` into `after`, an empty array where they are equal. Only what differs is mentioned.
/// An operation that goes through an array's element comes after a `test` of that element (its name where it has one),
/// so that a patch never lands in a neighbour.
Json json_patch(const Json& before, const Json& after);

}  // namespace gpuinfer::policies
