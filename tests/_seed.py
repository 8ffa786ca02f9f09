"""The seed of all behaviour tests, so that the suite can be run under several."""

import os

SEED = int(os.environ.get("SKLSSL_TESTS_SEED", "0"))
