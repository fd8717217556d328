# What every script here shares; sourced, never run.
# shellcheck shell=bash

set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Packages, models and foreign builds; survives a fresh clone.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gpuinfer
export repository cache

# say MESSAGE...: progress, with the seconds since the script started.
say() { printf '[%4ds] %s\n' "$SECONDS" "$*" >&2; }

# die WHAT [REMEDY]
die() {
  printf 'error: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf '  %s\n' "$2" >&2
  exit 1
}
