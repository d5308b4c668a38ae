"""A release is built here: one archive of the code, one of its Python environment."""
