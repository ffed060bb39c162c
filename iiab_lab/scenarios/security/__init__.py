"""Every attack of a catalogue is tried on the running platform: what stopped it, where, and what proves that."""

from .catalogue import attacks, run

__all__ = ["attacks", "run"]
