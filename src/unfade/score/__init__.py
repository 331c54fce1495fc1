"""Measures of agreement with the truth; numpy, scipy and scikit-image only, one metric a function, its source cited."""
