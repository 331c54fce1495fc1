"""Losses: pure functions of (outputs, targets); engines sum what a system's loss names."""
