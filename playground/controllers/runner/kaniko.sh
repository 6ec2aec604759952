#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Stands for kaniko's executor: checks that the Dockerfile is where it must be, and "pushes" by moving
# the build context to where the registry keeps its images. Environment: IMAGE_FOLDER, where to;
# BUILD_SECONDS, how long it takes at least; and BUILD_FAILS, which makes the build end as one whose
# packages cannot be installed.
begun=$(date +%s)
info() { printf '\033[36mINFO\033[0m[%04d] %s\n' "$(($(date +%s) - begun))" "$1"; }

for argument in "$@"; do
  case $argument in
    --context=*) context=${argument#*=} ;;
    --dockerfile=*) dockerfile=${argument#*=} ;;
    --destination=*) destination=${argument#*=} ;;
  esac
done

if [ ! -f "$dockerfile" ]; then
  echo 'Error: error resolving dockerfile path: please provide a valid path to a Dockerfile within the build context with --dockerfile' >&2
  exit 1
fi
base=$(sed -n 's/^FROM \([^ ]*\).*/\1/p' "$dockerfile" | head -n 1)
info "Retrieving image manifest $base"
info "Retrieving image $base from registry index.docker.io"
info "Executing 0 build triggers"
grep -E '^(RUN|COPY|ENV|USER|WORKDIR|ENTRYPOINT) ' "$dockerfile" | cut -c 1-160 | while read -r line; do
  info "$line"
done
if [ -n "$BUILD_FAILS" ]; then
  echo 'ERROR: Could not find a version that satisfies the requirement no-such-package==1.0 (from versions: none)' >&2
  echo 'ERROR: No matching distribution found for no-such-package==1.0' >&2
  echo 'error building image: error building stage: failed to execute command: waiting for process to exit: exit status 1' >&2
  exit 1
fi
if [ -f "$context/env/docker/entrypoint.sh" ]; then
  chmod +x "$context/env/docker/entrypoint.sh"
fi
info "Taking snapshot of full filesystem..."
sleep "$BUILD_SECONDS"
info "Pushing image to $destination"
rm -rf "$IMAGE_FOLDER"
if ! mv "$context" "$IMAGE_FOLDER"; then
  echo "error pushing image: failed to push to destination $destination" >&2
  exit 1
fi
info "Pushed $destination"
