import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import sympy

from kinetics.structures import codegen
from kinetics.structures.formula import parse_formula
from kinetics.structures.structure import dose_table

SOURCE = '''"""A constant."""

from numba import njit

from kinetics.structures._predict_signature import PREDICT


@njit([PREDICT], cache=True, error_model="numpy")
def predict(parameter, rows, doses, value, jacobian):
    value[:] = parameter[0] + {offset}
    jacobian[:] = 1.0
'''
SCRIPT = """
import sys
from kinetics.structures.codegen import compiled_predict
predict = compiled_predict(open(sys.argv[1]).read(), "a constant")
stats = predict.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def value_of(predict):
    value, jacobian = np.empty(2), np.empty((2, 1))
    predict(np.array([2.0]), np.zeros((2, 2)), dose_table(), value, jacobian)
    return value[0]


def test_the_second_start_does_not_compile(tmp_path):
    source = tmp_path / "source.py"
    source.write_text(SOURCE.format(offset=1.0), "utf-8")
    environment = {**os.environ, "HEMADOSE_CACHE_DIR": str(tmp_path / "cache")}
    runs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(source)],
            env=environment, capture_output=True, text=True, check=True,
        ).stdout.split()
        for _ in range(2)
    ]  # fmt: skip
    assert runs == [["0", "1"], ["1", "0"]]
    assert len(list((tmp_path / "cache").glob("*.py"))) == 1
    assert not list((tmp_path / "cache").glob("*.tmp"))


def test_another_model_is_another_module(tmp_path, monkeypatch):
    monkeypatch.setenv("HEMADOSE_CACHE_DIR", str(tmp_path))
    first, second = (
        codegen.compiled_predict(SOURCE.format(offset=x), "my model: 1/2") for x in (10.0, 20.0)
    )
    assert (value_of(first), value_of(second)) == (12.0, 22.0)
    assert codegen.compiled_predict(SOURCE.format(offset=10.0), "my model: 1/2") is first
    names = [path.name for path in tmp_path.glob("*.py")]
    assert len(names) == 2
    assert all(name.startswith("hemadose_generated_my_model_1_2_") for name in names)


def test_where_nothing_can_be_written_it_falls_back_to_a_temporary_directory(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("no directory", "utf-8")
    monkeypatch.setenv("HEMADOSE_CACHE_DIR", str(blocked))
    predict = codegen.compiled_predict(SOURCE.format(offset=30.0), "blocked")
    assert value_of(predict) == 32.0
    assert Path(predict.py_func.__code__.co_filename).is_relative_to(tempfile.gettempdir())


def test_the_cache_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("HEMADOSE_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert codegen._folders() == [tmp_path / "hemadose"]
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert codegen._folders() == [tmp_path / ".cache" / "hemadose"]


def test_printed_formulas_compute_the_same():
    text = "a ** 2 / (b + 1 / 3) - 2.5e-3 * exp(-k * t) ** 2 + log(sqrt(b)) + 3 ** a"
    text += "+ a / (sqrt(a) * k ** 2) + b ** -3"
    expression = parse_formula(text)
    places = {name: f"p[{i}]" for i, name in enumerate("abk")}
    printed = codegen.python_text(expression, places)
    values = {"a": 1.3, "b": 0.7, "k": 0.2, "t": 3.0}
    import math

    computed = eval(printed, {"p": [1.3, 0.7, 0.2], "t": 3.0, "math": math})
    expected = expression.subs({s: values[s.name] for s in expression.free_symbols})
    assert abs(computed - float(sympy.N(expected))) < 1e-13
