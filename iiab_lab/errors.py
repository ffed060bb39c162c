"""The exceptions of the lab. Every message ends with the cure, so a newcomer knows what to type next.

LabError                  anything a user should read as one sentence, never as a traceback
├── UsageError            the words on the command line, or an argument, are off       (exit 2)
├── Unsupported           this machine cannot run the engine                            (exit 2)
├── PortTaken             a port of the platform belongs to somebody else               (exit 2)
├── NotRunning            the platform is not up, or does not answer                    (exit 3)
├── NotReady              it is up, but something did not become ready in time          (exit 4)
├── ApiError              the Kubernetes API refused a request (code, reason, message)  (exit 1)
├── TrafficError          a request could not be sent or was not answered               (exit 1)
└── CheckFailed           a scenario's check did not hold; raised by Report.require()   (exit 1)
"""

from __future__ import annotations


class LabError(Exception):
    """What went wrong, and `cure`: the command or the change that mends it."""

    exit_code = 1

    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(f"{message}\n  → {cure}" if cure else message)
        self.message, self.cure = message, cure


class UsageError(LabError):
    exit_code = 2


class Unsupported(LabError):
    exit_code = 2


class PortTaken(LabError):
    exit_code = 2


class NotRunning(LabError):
    exit_code = 3


class NotReady(LabError):
    exit_code = 4


class ApiError(LabError):
    """A Kubernetes `Status` of failure: HTTP `code`, machine-readable `reason`, message, `details` where it has any."""

    def __init__(self, code: int, reason: str, message: str, cure: str = "") -> None:
        super().__init__(message, cure)
        self.code, self.reason = code, reason
        self.details: dict[str, object] = {}


class TrafficError(LabError):
    pass


class CheckFailed(LabError):
    pass
