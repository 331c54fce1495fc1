"""Training: one loop for every system, its sampler, checkpoints and curves."""
