"""Provisional."""


def clean(lineage, settings):
    return lineage
