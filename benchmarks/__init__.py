"""What was measured, with the scripts and their result lines; README.md says what to run."""
