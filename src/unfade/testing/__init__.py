"""What tests need, also outside the project: small movies with exact truth."""
