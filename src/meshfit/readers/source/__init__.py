"""Classes and configs of transformers read from their source files, without importing or running any of them."""
