#!/bin/sh
# A GPU beside the CPU in at most eight minutes, in a checkout with its environment: benchmarks/gpu.sh [gpu.json]
set -eu
cd "$(dirname "$0")/.."
exec "${PYTHON:-python}" -m benchmarks.gpu --device cuda --out "${1:-gpu.json}"
