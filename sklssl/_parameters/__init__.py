"""The shared parameters of estimators: their defaults, constraints and documentation."""
