"""Mutation testing of what must never be wrong: deadline, purge and speech (docs/mutants.md)."""
