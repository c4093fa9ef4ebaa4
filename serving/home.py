"""Where things lie under REMORA_HOME: the serving bundles, the pointer to the champion, the store of scores."""

from pathlib import Path


class Home:
    """The places under one REMORA_HOME; nothing is made or read by asking for a path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def champion(self) -> Path:
        """A file that holds the name of one folder of `bundles`; promotion replaces it by a rename."""
        return self.folder / "champion"

    @property
    def bundles(self) -> Path:
        """The folder of promoted bundles, each never changed."""
        return self.folder / "bundles"

    @property
    def store(self) -> Path:
        """The SQLite file of scores."""
        return self.folder / "store.db"
