"""Trained weights: those that ship, their passports, and loading them for a system."""
