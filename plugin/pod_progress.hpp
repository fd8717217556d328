// How far a pod is on its way to serving, and what holds it up: pure functions over the pod and its events.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"

namespace gpuinfer::plugin {

/// The steps of a cold start, in order.
enum class PodPhase {
  kPending,    ///< no node yet
  kScheduled,  ///< has a node; volumes and network come up
  kPulling,    ///< the image is on its way
  kLoading,    ///< the server runs and reads the weights
  kReady,      ///< it answers
};

/// "waiting for a node", "node found", "pulling the image", "loading the model", "ready".
std::string to_string(PodPhase phase);

struct PodProgress {
  PodPhase phase = PodPhase::kPending;
  std::string problem;   ///< what holds it up, in the cluster's own words; may be empty
  std::string advice;    ///< what to do about that; may be empty
  int restarts = 0;      ///< of the server's container
  bool failing = false;  ///< it ended more than once and will hardly get better by itself
};

/// `events` are the pod's events (core v1), in any order.
PodProgress pod_progress(const Json& pod, const std::vector<Json>& events);

/// What to do about an event's or a condition's message; empty where nothing is known (or nothing needs doing).
std::string advice_for(const std::string& message);

}  // namespace gpuinfer::plugin
