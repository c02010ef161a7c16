"""Fuzzing of everything that reads a peer's bytes. `python -m fuzz --help`; found crashes become tests."""
