# shellcheck shell=bash disable=SC2034
# Everything that depends on the machine under the cluster: its packages, its control groups, its container runtime, its kernel.

CONTAINERD=/usr/bin/containerd
CTR=/usr/bin/ctr
RUNC=/usr/sbin/runc
CNI_PLUGINS=/usr/lib/cni

# Everything of the cluster is accounted below this control group.
CGROUP=/gpuinfer-cluster
CGROUP_ROOT=/sys/fs/cgroup
CGROUP_V1_CONTROLLERS=(cpu cpuacct cpuset memory devices freezer blkio pids systemd)

# Kernel settings that the kubelet insists on. It sees files with these values in place of the machine's, which stay as they are.
KERNEL_SETTINGS=(vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1)

require_machine() {
  [ "$(id -u)" = 0 ] || die "the test cluster makes namespaces and mounts: it has to be started by root"
  local missing=() program
  for program in "$CONTAINERD:containerd" "$CTR:containerd" "$RUNC:runc" "$CNI_PLUGINS/bridge:containernetworking-plugins" \
    iptables:iptables nft:nftables tini:tini socat:socat conntrack:conntrack ip:iproute2 openssl:openssl curl:curl flock:util-linux sysctl:procps; do
    command -v "${program%:*}" >/dev/null || missing+=("${program#*:}")
  done
  [ ${#missing[@]} = 0 ] || die "Debian packages are missing: ${missing[*]}" "run scripts/install-deps test"
}

# The v1 hierarchies that the machine mounts (whole v1 or hybrid); nothing on a machine with cgroup v2 only.
cgroup_v1_folders() {
  local controller
  for controller in "${CGROUP_V1_CONTROLLERS[@]}"; do
    if [ -d "$CGROUP_ROOT/$controller" ]; then echo "$CGROUP_ROOT/$controller"; fi
  done
}

has_cgroup_v2_only() { [ -f "$CGROUP_ROOT/cgroup.controllers" ]; }

make_cgroups() {
  if has_cgroup_v2_only; then
    # Untested: no machine with cgroup v2 only was at hand when this was written.
    mkdir -p "$CGROUP_ROOT$CGROUP"
    local folder controller
    for folder in "$CGROUP_ROOT" "$CGROUP_ROOT$CGROUP"; do
      for controller in $(<"$folder/cgroup.controllers"); do
        echo "+$controller" >"$folder/cgroup.subtree_control" || true # one that may not be delegated is not missed
      done
    done
    return
  fi
  local hierarchy folder
  for hierarchy in $(cgroup_v1_folders); do
    folder=$hierarchy$CGROUP
    mkdir -p "$folder"
    if [ -f "$folder/cpuset.cpus" ]; then # a new cpuset is empty and takes no process until it has processors and memory
      cat "$hierarchy/cpuset.cpus" >"$folder/cpuset.cpus"
      cat "$hierarchy/cpuset.mems" >"$folder/cpuset.mems"
      echo 1 >"$folder/cgroup.clone_children"
    fi
  done
}

remove_cgroups() {
  local attempt folders
  for attempt in $(seq 20); do
    folders=()
    local folder
    for folder in $(cgroup_v1_folders) "$CGROUP_ROOT" "$CGROUP_ROOT/unified"; do
      if [ -d "$folder$CGROUP" ]; then folders+=("$folder$CGROUP"); fi
    done
    [ ${#folders[@]} = 0 ] && return
    find "${folders[@]}" -depth -type d -exec rmdir {} + 2>/dev/null || true # the last processes may still be leaving
    [ "$attempt" = 1 ] || sleep 0.1
  done
  echo "control groups are still in use: ${folders[*]}" >&2
}

# overlayfs cannot lie on overlayfs, which is what a container's own root is.
containerd_snapshotter() {
  if [ "$(stat -f -c %T "$STATE")" = overlayfs ]; then echo native; else echo overlayfs; fi
}

write_kernel_settings() {
  local setting
  for setting in "${KERNEL_SETTINGS[@]}"; do
    mkdir -p "$CONFIGURATION/kernel/$(dirname "$setting")"
    echo "${setting#*=}" >"$CONFIGURATION/kernel/${setting%=*}"
  done
}

mount_kernel_settings() {
  local setting
  for setting in "${KERNEL_SETTINGS[@]}"; do
    mount --bind "$CONFIGURATION/kernel/${setting%=*}" "/proc/sys/${setting%=*}"
  done
}
