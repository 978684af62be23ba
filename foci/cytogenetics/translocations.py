"""Translocations seen by painting: share of the genome shown, and the background of age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from foci.errors import FociError

Sex = Literal["male", "female"]

# DNA of each chromosome (Mb): Morton NE. Proc Natl Acad Sci USA 1991;88:7474-7476, as listed in
# biodosetools-team/biodosetools@2689f726, data-raw/dna-content-table-raw.csv
_DNA_MB = {
    "1": 263, "2": 255, "3": 214, "4": 203, "5": 194, "6": 183, "7": 171, "8": 155,
    "9": 145, "10": 144, "11": 144, "12": 143, "13": 114, "14": 109, "15": 106, "16": 98,
    "17": 92, "18": 85, "19": 67, "20": 72, "21": 50, "22": 56, "X": 164, "Y": 59,
}  # fmt: skip
_WITHIN = 0.974  # exchanges between different chromosomes: 2/0.974 = 2.05 (Lucas 1992)


def painted_fraction(chromosomes: Sequence[str | int], sex: Sex) -> float:
    """Share of the DNA of a cell in some chromosomes, both homologues painted.

    Parameters
    ----------
    chromosomes : sequence of str or int
        Names: 1 to 22, X, Y.
    sex : {"male", "female"}
        Sex of the person.

    Raises
    ------
    FociError
        If a chromosome is unknown, named twice, or absent from this sex.

    References
    ----------
    DNA contents: Morton NE. Proc Natl Acad Sci USA 1991;88:7474-7476,
    doi:10.1073/pnas.88.17.7474, as listed by biodosetools (commit 2689f726).

    Examples
    --------
    >>> round(painted_fraction([1, 2, 4], "female"), 4)
    0.2234
    """
    if sex not in ("male", "female"):
        raise FociError(f"sex must be 'male' or 'female', got {sex!r}")
    copies = {name: 2 for name in _DNA_MB} | (
        {"X": 1, "Y": 1} if sex == "male" else {"X": 2, "Y": 0}
    )
    names = [str(name).upper() for name in chromosomes]
    for name in names:
        if name not in copies or copies[name] == 0 or names.count(name) > 1:
            raise FociError(
                f"chromosome {name} is unknown, named twice or absent from this sex; legal are "
                "1 to 22, X and (men) Y, each once"
            )
    total = sum(mb * copies[name] for name, mb in _DNA_MB.items())
    return sum(_DNA_MB[name] * copies[name] for name in names) / total


def genome_factor(painted: Mapping[str, Sequence[str | int]], sex: Sex) -> float:
    r"""Share of all exchanges between chromosomes that a painting shows.

    Parameters
    ----------
    painted : mapping of str to sequence of str or int
        Chromosomes of each colour.
    sex : {"male", "female"}
        Sex of the person.

    Raises
    ------
    FociError
        If no chromosome is painted, one has two colours, or a name is not legal.

    Notes
    -----
    :math:`F_p/F_G = \frac{2}{0.974}\left(\sum_i f_i(1-f_i) - \sum_{i<j} f_if_j\right)` with
    :math:`f_i` the share of the DNA in colour i (2/0.974 is the 2.05 of Lucas). Translocations
    per genome equivalent are those per cell over this factor.

    References
    ----------
    Lucas JN et al. Int J Radiat Biol 1992;62:53-63, doi:10.1080/09553009214551821. Example: IAEA,
    Cytogenetic Dosimetry, EPR-Biodosimetry 2011.

    Examples
    --------
    >>> round(genome_factor({"red": [1, 2, 4], "green": [3, 5, 6]}, "male"), 3)
    0.585
    """
    everything = [name for names in painted.values() for name in names]
    if not everything:
        raise FociError("no chromosome is painted; name at least one")
    painted_fraction(everything, sex)
    f = np.array([painted_fraction(names, sex) for names in painted.values()])
    pairs = (f.sum() ** 2 - (f**2).sum()) / 2
    return float(2 / _WITHIN * ((f * (1 - f)).sum() - pairs))


@dataclass(frozen=True)
class BackgroundTranslocations:
    """Translocations per genome equivalent that a person of some age has without exposure.

    The standard deviation is a lower bound where the spread between persons was not given.
    """

    per_cell: float
    sd: float
    source: str
    assumptions: tuple[str, ...]


def background_translocations(
    age_years: float, *, ever_smoker: bool = False, spread_cv: float = 0.5
) -> BackgroundTranslocations:
    r"""Background translocations by age and smoking.

    Parameters
    ----------
    age_years : float
        Age at sampling, 0 to 85 (the range of the data).
    ever_smoker : bool
        Whether the person ever smoked: a factor 1.19 (95 % limits 1.09 to 1.30).
    spread_cv : float
        Coefficient of variation between persons of one age. ASSUMED 50 %.

    Raises
    ------
    FociError
        If the age lies outside the data or the CV is negative.

    Notes
    -----
    :math:`e^{-7.925} + e^{-9.284}\,a\,e^{0.01062 a}` at age a. Sex made no difference; the
    factors of region and ethnicity could not be told from those of the laboratories and are left
    out: a laboratory's own controls are better (`curve_with_background`).

    References
    ----------
    Sigurdson AJ et al. Mutat Res 2008;652:112-121, doi:10.1016/j.mrgentox.2008.01.005 (smoking,
    range of ages); coefficients as in biodosetools (commit 1b053ce), which cites it.

    Examples
    --------
    >>> round(background_translocations(40).per_cell, 5), round(
    ...     background_translocations(70, ever_smoker=True).per_cell, 5)
    (0.00604, 0.0167)
    """
    if not 0 <= age_years <= 85:
        raise FociError(f"age_years must be from 0 to 85, got {age_years}")
    if not (np.isfinite(spread_cv) and spread_cv >= 0):
        raise FociError(f"spread_cv must be zero or positive, got {spread_cv}")
    mean = np.exp(-7.925) + np.exp(-9.284) * age_years * np.exp(0.01062 * age_years)
    mean *= 1.19 if ever_smoker else 1.0
    return BackgroundTranslocations(
        float(mean),
        float(spread_cv * mean),
        "Sigurdson 2008, Mutat Res 652:112",
        (f"CV of {spread_cv:.0%} between persons of one age ASSUMED",),
    )
