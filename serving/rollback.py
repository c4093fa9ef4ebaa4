"""Rollback: the bundle that served before serves again. It needs nothing but the local folder of bundles."""

from models.bundle import BundleError
from models.trial import trial_load
from serving.home import Home
from training.pointer import PromotionError, alone, current, former, point_back, settle

NONE_BEFORE = "no other bundle served before this one; promote another version with `remora promote VERSION`"

UNCHANGED = "the champion was not changed; promote another version with `remora promote VERSION`"


def roll_back(home: Home) -> tuple[str | None, str]:
    """Make the champion before this one the champion, and return the names of both, the present one first.

    Raises PromotionError where there was none before, BundleError where that bundle is no longer whole; the present
    one then stays.
    """
    with alone(home.folder):
        was, before = current(home.folder), former(home.folder)
        if not before:
            raise PromotionError(NONE_BEFORE)
        folder = home.bundles / before[-1]
        try:
            trial_load(folder)
        except BundleError as error:
            raise BundleError(*error.problems, UNCHANGED) from None
        settle(folder)
        return was, point_back(home.folder)


def follow(home: Home, name: str) -> tuple[str | None, str | None]:
    """Let the record's champion be the version that holds the bundle `name`: its number, or why there is none.

    Never raises: what serves was changed before, and MLflow may be absent or broken when a rollback is needed.
    """
    if not (home.folder / "mlflow.db").exists():
        return None, "there is no MLflow record here"
    from training import registry

    try:
        for version in registry.versions(home.folder):
            if version.bundle_id == name:
                registry.crown(home.folder, version, None)
                return version.number, None
    except Exception as error:  # MLflow and its database raise what they like
        return None, f"MLflow: {(str(error) or repr(error)).splitlines()[0]}; once it is mended, promote this version"
    return None, f"no registered version holds {name}"
