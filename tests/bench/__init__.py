"""Figures, never assertions: `make bench` measures this machine and prints each figure beside its bar."""
