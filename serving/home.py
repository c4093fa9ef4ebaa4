"""Where things lie under REMORA_HOME: the serving bundles, the pointer to the champion, the store of scores."""

from pathlib import Path

from features.settings import Settings


class Home:
    """The places under one REMORA_HOME; nothing is made or read by asking for a path."""

    def __init__(self, folder: Path, store: str | None = None) -> None:
        self.folder = folder
        self._store = store

    @classmethod
    def of(cls, settings: Settings) -> "Home":
        """The places that the settings name."""
        return cls(settings.home, settings.store)

    @property
    def champion(self) -> Path:
        """A file that holds the name of one folder of `bundles`; promotion replaces it by a rename."""
        return self.folder / "champion"

    @property
    def bundles(self) -> Path:
        """The folder of promoted bundles, each never changed."""
        return self.folder / "bundles"

    @property
    def scorings(self) -> Path:
        """The folder of what the latest scorings knew of each customer, by which a change of risk is explained."""
        return self.folder / "scorings"

    @property
    def store(self) -> str | Path:
        """The store of scores: the URL of the settings, else a SQLite file."""
        return self._store or self.folder / "remora.db"
