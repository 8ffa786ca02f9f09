"""A training run: its loop, schedules, guards, checkpoints and progress."""
