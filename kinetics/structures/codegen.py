"""Compile generated structural models once and keep them for the next start."""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from kinetics.errors import KineticsError

_COMPILED: dict[str, Any] = {}
_LETTERS = re.compile(r"\W+")


def compiled_predict(source: str, name: str) -> Any:
    """The function `predict` of a generated module, compiled or taken from the cache.

    The module is written to ``$HEMADOSE_CACHE_DIR``, else ``$XDG_CACHE_HOME/hemadose``, else
    ``~/.cache/hemadose``, under a name made from its content, so that a change of the model or
    of the kernels compiles anew; where none of them can be written, to a temporary directory.

    Parameters
    ----------
    source : str
        Text of a python module that defines ``predict``, decorated with
        ``@njit([PREDICT], cache=True, error_model="numpy")``.
    name : str
        Name of the model, for the name of the file.

    Returns
    -------
    numba dispatcher with the signature `kinetics.structures._predict_signature.PREDICT`
    """
    key = hashlib.sha256(f"{_environment()}\n{source}".encode()).hexdigest()[:24]
    if key not in _COMPILED:
        stem = f"{_LETTERS.sub('_', name)[:40]}_{key}"
        _COMPILED[key] = _compiled(source, f"hemadose_generated_{stem}")
    return _COMPILED[key]


def python_text(expression: Any, places: Mapping[str, str]) -> str:
    """Text of a sympy expression for a compiled module.

    Parameters
    ----------
    expression : sympy.Expr
        Arithmetic, exp, log and sqrt.
    places : mapping of str to str
        Where each name is found, such as ``{"CL": "parameter[0]"}``; other names stay.
    """
    from sympy.printing.pycode import PythonCodePrinter

    class Printer(PythonCodePrinter):  # type: ignore[misc]
        def _print_Symbol(self, expr: Any) -> str:  # noqa: N802
            return places.get(expr.name, expr.name)

        def _print_Rational(self, expr: Any) -> str:  # noqa: N802
            return repr(float(expr))

        def _print_Integer(self, expr: Any) -> str:  # noqa: N802
            return str(int(expr)) if abs(int(expr)) < 2**31 else repr(float(expr))

        def _print_Pow(self, expr: Any, rational: bool = False) -> str:  # noqa: N802
            # compiled negative powers raise an error at zero, quotients give infinity
            if expr.exp.is_Integer and expr.exp < -1:
                return f"(1.0/({self._print(1 / expr)}))"
            return str(super()._print_Pow(expr, rational))

    return str(Printer({"fully_qualified_modules": True}).doprint(expression))


def _compiled(source: str, module_name: str) -> Any:
    path = _written(f"{module_name}.py", source)
    try:
        return _imported(path, module_name)
    except Exception:  # a damaged cache: compile anew where nothing lies
        path = _temporary_folder() / f"{module_name}.py"
        path.write_text(source, "utf-8")
        return _imported(path, module_name)


@cache
def _environment() -> str:
    """What a compiled module depends on besides its source."""
    import numba

    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("_*.py")):
        digest.update(path.read_bytes())
    return f"{sys.version_info[:2]} {numba.__version__} {digest.hexdigest()}"


def _written(file_name: str, source: str) -> Path:
    """Path of the module in the first cache directory that takes it."""
    for folder in _folders():
        path = folder / file_name
        try:
            if path.read_text("utf-8") == source:
                return path
        except (OSError, UnicodeDecodeError):
            pass
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(source)
            os.replace(temporary, path)
        except OSError:
            continue
        return path
    path = _temporary_folder() / file_name
    path.write_text(source, "utf-8")
    return path


def _folders() -> list[Path]:
    if chosen := os.environ.get("HEMADOSE_CACHE_DIR"):
        return [Path(chosen)]
    if cache_home := os.environ.get("XDG_CACHE_HOME"):
        return [Path(cache_home) / "hemadose"]
    try:
        return [Path.home() / ".cache" / "hemadose"]
    except RuntimeError:
        return []


@cache
def _temporary_folder() -> Path:
    """A private directory of this process."""
    folder = Path(tempfile.mkdtemp(prefix="hemadose-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _imported(path: Path, module_name: str) -> Any:
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise KineticsError(f"cannot import the generated model {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # numba finds the function by its module
    spec.loader.exec_module(module)
    return module.predict
