"""What goes wrong at the far end of an export."""

from features.errors import RemoraError


class ExportError(RemoraError):
    """The target of an export cannot be written, or is somebody else's."""
