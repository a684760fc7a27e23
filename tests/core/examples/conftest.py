"""Hypothesis draws by a fixed seed, has no clock, and writes nothing into the checkout."""

import os
import tempfile

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", tempfile.mkdtemp(prefix="hypothesis-"))

from hypothesis import settings

settings.register_profile("same-every-time", derandomize=True, deadline=None, database=None, max_examples=100)
settings.load_profile("same-every-time")
