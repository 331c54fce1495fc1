"""Augmentation in three steps: draw numbers, apply them, remember them. Labels are never interpolated."""
