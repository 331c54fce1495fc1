"""Prediction: frames of any size through any network, tile by tile."""
