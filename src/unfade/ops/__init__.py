"""Kernels that two or more stages need; numpy in and out unless a module says otherwise."""
