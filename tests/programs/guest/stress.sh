#!/bin/sh
# stress.sh STRESSOR OPERATIONS [OPTION...]: an instance on every vCPU, each
# with so many operations, which verify what they compute. The caller looks
# whether all were done.
cd /tmp || exit 1
stressor=$1
operations=$(($2 * $(nproc)))
shift 2
exec stress-ng --verify --metrics-brief --timeout 500 \
    "--$stressor" 0 "--$stressor-ops" "$operations" "$@"
