"""Displays: what estimators, features and predictions look like."""
