"""Loaded by schemathesis (``SCHEMATHESIS_HOOKS``): what bodies of pictures and videos are made of."""

import tempfile
from pathlib import Path

import schemathesis
from hypothesis import strategies

from fuzzing import uploads

with tempfile.TemporaryDirectory() as folder:
    WHOLE = [seed for seed in uploads.seeds(Path(folder)) if not seed.startswith(b"--") and len(seed) < 20_000]

FILES = strategies.one_of(strategies.sampled_from(WHOLE), strategies.binary(max_size=200))

for kind in ("application/octet-stream", "image/*", "video/*"):
    schemathesis.openapi.media_type(kind, FILES)
schemathesis.openapi.format("binary", FILES)
