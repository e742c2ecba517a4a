"""Adversaries: Hypothesis looks for what breaks a rule where examples cannot be enough; a strategy and a property each."""
