# shellcheck shell=bash disable=SC2034
# Names, addresses and folders of the test cluster; sourced by every script of this folder.

CLUSTER=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$CLUSTER/../../scripts/common.sh"

# What can be built again lives in the cache, what the running cluster writes in the state folder; nothing in the checkout.
STATE=${XDG_STATE_HOME:-$HOME/.local/state}/gpuinfer/cluster
LOGS=$STATE/logs
PKI=$STATE/pki
KUBECONFIGS=$STATE/kubeconfigs
CONFIGURATION=$STATE/configuration
API_SOCKET=$STATE/api.sock

# One folder for each set of versions and flags: another checkout of the same versions finds its programs there.
PROGRAMS=$cache/cluster/$(cat "$CLUSTER"/programs/* | sha256sum | cut -c1-16)
BIN=$PROGRAMS/bin
PAUSE_IMAGE=registry.k8s.io/pause:3.10.1

# These addresses exist only inside the cluster's network namespace, which has no way out.
NODE=node0
NODE_IP=10.89.0.1
API_PORT=6443
POD_CIDR=10.244.0.0/24
SERVICE_CIDR=10.96.0.0/16
API_SERVICE_IP=10.96.0.1
DNS_SERVICE_IP=10.96.0.10

# The machine's own 127.0.0.1:RELAY_PORT leads to the API server.
RELAY_PORT=${RELAY_PORT:-16443}
ADMIN_KUBECONFIG=$KUBECONFIGS/admin
HOST_KUBECONFIG=$KUBECONFIGS/host
