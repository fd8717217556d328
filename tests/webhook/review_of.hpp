// Admission reviews as the API server sends them.
#pragma once

#include <string>

#include "base/json.hpp"

namespace gpuinfer::webhook {

/// A pod that asks for injection and for one GPU.
inline Json gpu_pod() {
  return Json::parse(R"({"apiVersion": "v1", "kind": "Pod",
    "metadata": {"generateName": "llm-", "annotations": {"gpuinfer.dev/inject": "true"}},
    "spec": {"containers": [{"name": "server", "image": "vllm/vllm-openai",
                             "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}})");
}

/// The review of `operation` on `object` in the namespace "team".
inline Json review_of(const Json& object, const std::string& operation = "CREATE") {
  return {{"apiVersion", "admission.k8s.io/v1"},
          {"kind", "AdmissionReview"},
          {"request",
           {{"uid", "705ab4f5-6393-11e8-b7cc-42010a800002"},
            {"kind", {{"group", ""}, {"version", "v1"}, {"kind", object.value("kind", "")}}},
            {"resource", {{"group", ""}, {"version", "v1"}, {"resource", "pods"}}},
            {"name", ""},
            {"namespace", "team"},
            {"operation", operation},
            {"userInfo", {{"username", "system:serviceaccount:kube-system:replicaset-controller"}}},
            {"object", object},
            {"oldObject", nullptr},
            {"dryRun", false},
            {"options", {{"apiVersion", "meta.k8s.io/v1"}, {"kind", "CreateOptions"}}}}}};
}

}  // namespace gpuinfer::webhook
