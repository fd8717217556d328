# shellcheck shell=bash disable=SC2034
# The flags that every program of the cluster is built with; part of the cache's key, as go.mod and go.sum are.

KUBERNETES_VERSION=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' "$CLUSTER/programs/go.mod")

linker_flags="-s -w"
for package in k8s.io/client-go/pkg/version k8s.io/component-base/version; do
  linker_flags+=" -X $package.gitVersion=$KUBERNETES_VERSION"
  linker_flags+=" -X $package.gitMajor=$(cut -d. -f1 <<<"${KUBERNETES_VERSION#v}")"
  linker_flags+=" -X $package.gitMinor=$(cut -d. -f2 <<<"$KUBERNETES_VERSION")"
  linker_flags+=" -X $package.gitTreeState=clean -X $package.gitCommit=module -X $package.buildDate=2026-01-01T00:00:00Z"
done

GO_FLAGS=(-trimpath "-tags=selinux,notest,grpcnotrace,providerless" -ldflags "$linker_flags")
