"""LightGBM's text models through its C API, without its Python package (whose import costs 181 MiB and 4 s).

The functions and constants are those of `LightGBM/c_api.h`, version 4.
"""

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from features.errors import RemoraError

Matrix = NDArray[np.float32] | NDArray[np.float64]
Vector = NDArray[np.float64]

NORMAL: Final = 0
RAW: Final = 1
LEAF: Final = 2
CONTRIB: Final = 3
_DTYPES: Final = {np.dtype(np.float32): 0, np.dtype(np.float64): 1}
_FLOAT32: Final = 0
_ROW_MAJOR: Final = 1
_ALL_TREES: Final = (0, -1)  # start_iteration, num_iteration

_INT, _INT32, _TEXT, _POINTER = ctypes.c_int, ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p
_SIGNATURES: Final[dict[str, tuple[Any, ...]]] = {
    "LGBM_BoosterLoadModelFromString": (_TEXT, _POINTER, _POINTER),
    "LGBM_BoosterGetNumClasses": (_POINTER, _POINTER),
    "LGBM_BoosterGetNumFeature": (_POINTER, _POINTER),
    "LGBM_BoosterPredictForMat": (
        *(_POINTER, _POINTER, _INT, _INT32, _INT32, _INT, _INT, _INT, _INT, _TEXT, _POINTER, _POINTER),
    ),
    "LGBM_BoosterPredictForMatSingleRowFastInit": (_POINTER, _INT, _INT, _INT, _INT, _INT32, _TEXT, _POINTER),
    "LGBM_BoosterPredictForMatSingleRowFast": (_POINTER, _POINTER, _POINTER, _POINTER),
    "LGBM_FastConfigFree": (_POINTER,),
    "LGBM_BoosterFree": (_POINTER,),
}


class BoosterError(RemoraError):
    """LightGBM is not installed right, or a model is not one it can use."""


@cache
def _library() -> ctypes.CDLL:
    """`lib_lightgbm` with its signatures; raises BoosterError with what to install when it does not load."""
    try:
        library = ctypes.CDLL(str(_library_path()))
    except OSError as error:
        raise BoosterError(_why_not_loaded(str(error))) from None
    for name, kinds in _SIGNATURES.items():
        getattr(library, name).argtypes = kinds
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


def _library_path() -> Path:
    spec = find_spec("lightgbm")
    for place in (spec.submodule_search_locations if spec else None) or ():
        for file in sorted((Path(place) / "lib").glob("lib_lightgbm.*")):
            return file
    raise BoosterError("lightgbm: its library was not found; install the packages of requirements.lock again")


def _why_not_loaded(error: str) -> str:
    if "libgomp" in error:
        return (
            "LightGBM needs the system library libgomp.so.1, which this machine lacks; "
            "install Debian's package libgomp1: apt-get install libgomp1"
        )
    return f"LightGBM's library does not load: {error}"


def _call(function: str, *arguments: Any) -> None:
    library = _library()
    if getattr(library, function)(*arguments) != 0:
        raise BoosterError(f"LightGBM: {library.LGBM_GetLastError().decode('utf-8', 'replace')}")


class Booster:
    """One LightGBM model of one output. May be used by several threads at once.

    A damaged text can *abort the process* inside LightGBM: read only what a hash vouches for, after a trial in
    a child process (`models.trial`).
    """

    def __init__(self, text: str) -> None:
        self._handle = ctypes.c_void_p()
        self._fast: dict[int, ctypes.c_void_p] = {}
        _refuse_truncated(text)
        trees = ctypes.c_int()
        _call("LGBM_BoosterLoadModelFromString", text.encode(), ctypes.byref(trees), ctypes.byref(self._handle))
        self.num_features: int = self._count("LGBM_BoosterGetNumFeature")
        self.num_trees: int = trees.value
        if (outputs := self._count("LGBM_BoosterGetNumClasses")) != 1:
            raise BoosterError(f"a model with {outputs} outputs; Remora uses models with one")
        for kind in (NORMAL, RAW, CONTRIB):
            self._fast[kind] = self._single_row(kind)
        self._run = _library().LGBM_BoosterPredictForMatSingleRowFast

    @classmethod
    def from_text(cls, text: str) -> "Booster":
        """The model written in `text`, LightGBM's own format."""
        return cls(text)

    @classmethod
    def from_file(cls, path: Path) -> "Booster":
        """The model in the file `path`."""
        try:
            return cls(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise BoosterError(f"{path}: not a readable LightGBM model: {error}") from None

    def predict(self, matrix: Matrix, threads: int = 0) -> Vector:
        """(n, f) → (n,): the probability of a classifier, the expected value of a regression. threads=0: all."""
        return self._predict(NORMAL, matrix, threads)

    def predict_raw(self, matrix: Matrix, threads: int = 0) -> Vector:
        """(n, f) → (n,): the sum of the trees, before the objective's link (log-odds of a classifier)."""
        return self._predict(RAW, matrix, threads)

    def contributions(self, matrix: Matrix, threads: int = 0) -> Vector:
        """(n, f) → (n, f + 1): TreeSHAP on the raw scale, the expected value in the last column."""
        return self._predict(CONTRIB, matrix, threads).reshape(len(matrix), self.num_features + 1)

    def leaves(self, matrix: Matrix) -> NDArray[np.int64]:
        """(n, f) → (n, trees): the number of the leaf of each tree in which a row ends."""
        return self._predict(LEAF, matrix, threads=1).reshape(len(matrix), self.num_trees).astype(np.int64)

    def predict_one(self, row: NDArray[np.float32]) -> float:
        """(f,) or (1, f) of float32 → what `predict` gives for it, set-up costs paid at load."""
        return self._one(NORMAL, row)

    def predict_raw_one(self, row: NDArray[np.float32]) -> float:
        """(f,) or (1, f) of float32 → what `predict_raw` gives for it."""
        return self._one(RAW, row)

    def contributions_one(self, row: NDArray[np.float32]) -> Vector:
        """(f,) or (1, f) of float32 → (f + 1,): what `contributions` gives for it."""
        out = np.empty(self.num_features + 1)
        self._predict_row(CONTRIB, row, out.ctypes.data)
        return out

    def close(self) -> None:
        """Give the memory back; the Booster cannot be used afterwards. Happens by itself when it is forgotten."""
        while self._fast:  # a configuration holds a lock on its booster: it goes first
            _call("LGBM_FastConfigFree", self._fast.popitem()[1])
        if self._handle:
            _call("LGBM_BoosterFree", self._handle)
            self._handle = ctypes.c_void_p()

    def __del__(self) -> None:
        self.close()

    def _predict(self, kind: int, matrix: Matrix, threads: int) -> Vector:
        matrix = self._checked(matrix)
        out = np.empty(len(matrix) * {CONTRIB: self.num_features + 1, LEAF: self.num_trees}.get(kind, 1))
        length = ctypes.c_int64()
        if len(matrix):
            _call(
                "LGBM_BoosterPredictForMat",
                *(self._handle, matrix.ctypes.data, _DTYPES[matrix.dtype], *matrix.shape, _ROW_MAJOR),
                *(kind, *_ALL_TREES, f"num_threads={threads}".encode(), ctypes.byref(length), out.ctypes.data),
            )
        return out

    def _checked(self, matrix: Any) -> Any:
        """`matrix`, laid out as LightGBM reads it; too few columns would be read past the end."""
        if not self._handle:
            raise BoosterError("this Booster is closed")
        if matrix.dtype not in _DTYPES or matrix.ndim != 2 or matrix.shape[1] != self.num_features:
            raise BoosterError(
                f"expected float32 or float64 of shape (n, {self.num_features}), got {matrix.dtype} {matrix.shape}"
            )
        return np.ascontiguousarray(matrix)

    def _single_row(self, kind: int) -> ctypes.c_void_p:
        """What LightGBM prepares for rows that come one by one; it guards its buffers with a lock of its own."""
        config = ctypes.c_void_p()
        init = "LGBM_BoosterPredictForMatSingleRowFastInit"
        _call(
            init, self._handle, kind, *_ALL_TREES, _FLOAT32, self.num_features, b"num_threads=1", ctypes.byref(config)
        )
        return config

    def _one(self, kind: int, row: NDArray[np.float32]) -> float:
        out = ctypes.c_double()
        self._predict_row(kind, row, ctypes.byref(out))
        return out.value

    def _predict_row(self, kind: int, row: NDArray[np.float32], out: Any) -> None:
        if not self._fast or row.dtype not in _DTYPES or row.size != self.num_features:
            self._checked(row.reshape(1, -1))  # says what is wrong
        row, length = np.ascontiguousarray(row, dtype=np.float32), ctypes.c_int64()
        if self._run(self._fast[kind], row.ctypes.data, ctypes.byref(length), out) != 0:
            raise BoosterError(f"LightGBM: {_library().LGBM_GetLastError().decode('utf-8', 'replace')}")

    def _count(self, function: str) -> int:
        number = ctypes.c_int()
        _call(function, self._handle, ctypes.byref(number))
        return number.value


def _refuse_truncated(text: str) -> None:
    """The commonest damage, told without risking an abort."""
    if not text.startswith("tree\n") or "\nend of trees\n" not in text or "\nend of parameters" not in text:
        raise BoosterError(
            "not a whole LightGBM model: the text must begin with 'tree', hold 'end of trees' and 'end of parameters'"
        )
