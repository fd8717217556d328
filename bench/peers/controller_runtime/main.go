// The peer of bench/webhook: an admission webhook as most are written today, with controller-runtime and typed objects.
// It makes the same decision as gpuinfer-webhook with bench/webhook_policy.yaml does for bench/webhook_review.json.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

type injector struct {
	decoder admission.Decoder
}

func (i injector) Handle(_ context.Context, request admission.Request) admission.Response {
	pod := &corev1.Pod{}
	if err := i.decoder.Decode(request, pod); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if pod.Annotations["gpuinfer.dev/inject"] != "true" {
		return admission.Allowed("untouched")
	}
	reasons := inject(pod)
	mutated, err := json.Marshal(pod)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	response := admission.PatchResponseFromRaw(request.Object.Raw, mutated)
	response.AuditAnnotations = reasons
	return response
}

func run() error {
	port := flag.Int("port", 9443, "HTTPS port")
	certificates := flag.String("cert-dir", "", "folder of tls.crt and tls.key")
	flag.Parse()

	ctrllog.SetLogger(logr.Discard())
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return err
	}
	server := webhook.NewServer(webhook.Options{Port: *port, CertDir: *certificates})
	server.Register("/mutate", &admission.Webhook{Handler: injector{admission.NewDecoder(scheme)}})
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	return server.Start(ctx)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
