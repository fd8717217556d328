// What the policies of gpuinfer do to the pod of the benchmark, over typed objects.
package main

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

const (
	gpu      = corev1.ResourceName("nvidia.com/gpu")
	registry = "111122223333.dkr.ecr.us-west-2.amazonaws.com"
	prefix   = "gpuinfer.dev/"
)

var caches = map[string]string{"docker.io": "docker-hub", "ghcr.io": "github", "quay.io": "quay", "registry.k8s.io": "kubernetes"}

// inject changes the pod and returns why, by policy.
func inject(pod *corev1.Pod) map[string]string {
	reasons := map[string]string{"outcome": "injected"}
	tolerate(pod, reasons)
	rewriteImages(pod, reasons)
	mountSharedMemory(pod, reasons)
	mountModel(pod, reasons)
	pod.Annotations[prefix+"injected"] = "bench: gpu_toleration, image_registry, shared_memory, model_storage"
	return reasons
}

func tolerate(pod *corev1.Pod, reasons map[string]string) {
	for _, toleration := range pod.Spec.Tolerations {
		if toleration.Key == string(gpu) {
			return
		}
	}
	pod.Spec.Tolerations = append(pod.Spec.Tolerations, corev1.Toleration{
		Key: string(gpu), Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule})
	reasons["gpu_toleration"] = "tolerates the taint " + string(gpu)
}

func rewriteImages(pod *corev1.Pod, reasons map[string]string) {
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			container := &containers[i]
			host, repository := splitImage(container.Image)
			cache, ok := caches[host]
			if !ok {
				continue
			}
			pod.Annotations[prefix+"original-image."+container.Name] = container.Image
			container.Image = registry + "/" + cache + "/" + repository
			reasons["image_registry"] += fmt.Sprintf("pulls the image of %s through %s; ", container.Name, cache)
		}
	}
}

// splitImage separates the host of an image reference, "docker.io" where it names none, from the rest.
func splitImage(image string) (host, repository string) {
	first, rest, found := strings.Cut(image, "/")
	if !found {
		return "docker.io", "library/" + image
	}
	if strings.ContainsAny(first, ".:") || first == "localhost" {
		return first, rest
	}
	return "docker.io", image
}

func mountSharedMemory(pod *corev1.Pod, reasons map[string]string) {
	var total int64
	forEachGpuContainer(pod, func(container *corev1.Container, gpus int64) {
		for _, mount := range container.VolumeMounts {
			if mount.MountPath == "/dev/shm" {
				return
			}
		}
		total += gpus
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: "gpuinfer-shm", MountPath: "/dev/shm"})
	})
	if total == 0 {
		return
	}
	size := resource.MustParse(fmt.Sprintf("%dGi", 2*total))
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "gpuinfer-shm", VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: &size}}})
	reasons["shared_memory"] = "mounts " + size.String() + " at /dev/shm"
}

func mountModel(pod *corev1.Pod, reasons map[string]string) {
	model := pod.Annotations[prefix+"model"]
	if model == "" {
		return
	}
	const claim = "gpuinfer-models-s3"
	forEachGpuContainer(pod, func(container *corev1.Container, _ int64) {
		container.VolumeMounts = append(container.VolumeMounts,
			corev1.VolumeMount{Name: "gpuinfer-models", MountPath: "/models", ReadOnly: true})
		container.Env = append(container.Env, corev1.EnvVar{Name: "GPUINFER_MODEL", Value: "/models/" + model})
	})
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "gpuinfer-models", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}})
	reasons["model_storage"] = "mounts the claim " + claim + " at /models"
}

func forEachGpuContainer(pod *corev1.Pod, visit func(container *corev1.Container, gpus int64)) {
	for i := range pod.Spec.Containers {
		container := &pod.Spec.Containers[i]
		if quantity, ok := container.Resources.Limits[gpu]; ok {
			visit(container, quantity.Value())
		}
	}
}
