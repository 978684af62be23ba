"""Full Bayes of population models: Hamiltonian Monte Carlo of all parameters together.

The only module that imports PyMC, ArviZ or nutpie, each where it is used.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kinetics.cores import n_cores
from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.estimation.priors import Prior
from kinetics.population.data import PopulationData
from kinetics.population.model import PopulationModel

if TYPE_CHECKING:
    from kinetics.estimation.bayes_result import BayesFit
    from kinetics.estimation.chain_checks import Chains
    from kinetics.estimation.density import Density

__all__ = ["fit_bayes"]

SAMPLERS = ("auto", "pymc", "nutpie")
_MOST_NUMBERS = 20_000_000  # of pointwise log likelihoods: beyond it they are not kept


def fit_bayes(
    model: PopulationModel,
    data: PopulationData,
    *,
    rng: np.random.Generator,
    priors: Mapping[str, Prior] | None = None,
    n_draws: int = 1000,
    n_tune: int = 500,
    n_chains: int = 4,
    sampler: str = "auto",
    cores: int | None = None,
    target_accept: float = 0.8,
    progress: bool = True,
    strict: bool = False,
) -> BayesFit:
    r"""Posterior of a population model by the no-U-turn sampler.

    Parameters
    ----------
    model : PopulationModel
        Model with start values; fixed parameters keep theirs, bounds cut the priors.
    data : PopulationData
        Data; values below the limit enter by their probability (M3, Beal 2001).
    rng : numpy.random.Generator
        Randomness; a seed gives the same numbers with the same sampler on any number of cores.
    priors : mapping of str to Prior, optional
        Priors by population parameter (see `PopulationModel.values`), made by the functions of
        `kinetics.estimation.priors`. Others keep the weakly informative defaults, which are
        ASSUMED: see `default_priors`, and ``.priors_frame()`` of the result.
    n_draws, n_tune, n_chains : int
        Draws of each chain after, and transitions for, its tuning; chains. Whitened variables
        need little tuning: the step size and small corrections of the scales.
    sampler : {"auto", "pymc", "nutpie"}
        ``auto`` takes nutpie where it is installed and PyMC where not; their numbers differ.
    cores : int, optional
        Chains that run at once; by default the cores of this process.
    target_accept : float
        Acceptance that the step size aims at; nearer 1 for posteriors that diverge.
    progress : bool
        Whether the sampler shows its progress.
    strict : bool
        Raise instead of returning a posterior whose status is not ``"ok"``.

    Returns
    -------
    BayesFit
        Draws of population and individual parameters, diagnostics, and a status that names what is
        wrong: divergences, R-hat above 1.01, few effective draws, chains in different modes,
        another mode that flip-flop kinetics leave, or a posterior that cannot be sampled.

    Raises
    ------
    KineticsError
        If model, data and priors do not go together, or, under `strict`, the status is not ok.

    Notes
    -----
    Random effects are not centred, :math:`\eta = L z` with standard-normal z and
    :math:`\Omega = L L'`. All variables form one vector whose log density and exact gradient come
    from one compiled kernel. It is whitened: the population parameters about their mode with the
    random effects integrated out (FOCEI), by their curvature there; and each subject's z by the
    Gaussian that its effects have given the population parameters of the moment, with the
    subject's likelihood taken to second order, :math:`R R' = 1 + L' V L`,
    :math:`z = R'^{-1} \{R^{-1} L'(r - C\,\Delta w) + u\}`. So rich subjects are centred, poor ones
    are not, and there are no funnels between. The change of variables is exact (its Jacobian is in
    the density); only the efficiency rests on the approximation. Chains start at draws of the
    Gaussian.
    The ordering ka > k is not imposed on an oral model, because it cuts off posteriors that cross
    it; the exchanged mode is looked for instead and reported with its share of the posterior.

    References
    ----------
    Hoffman MD, Gelman A. J Mach Learn Res 2014;15:1593-1623.
    Vehtari A et al. Bayesian Anal 2021;16:667-718, doi:10.1214/20-BA1221 (R-hat, sample sizes).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from kinetics.structures import one_compartment
    >>> from kinetics.inference import fit_bayes
    >>> from kinetics.population import Parameter, PopulationModel, population_data, proportional
    >>> rng = np.random.default_rng(1)
    >>> subject, time_h = np.repeat(np.arange(20), 4), np.tile([1.0, 4.0, 12.0, 24.0], 20)
    >>> cl = 2.0 * np.exp(0.3 * rng.standard_normal(20))[subject]
    >>> value = 5.0 * np.exp(-cl / 20.0 * time_h) * (1 + 0.1 * rng.standard_normal(80))
    >>> table = pd.DataFrame({"subject": subject, "time_h": time_h, "value": value})
    >>> data = population_data(table.assign(amount=100.0))
    >>> model = PopulationModel(
    ...     one_compartment(), {"cl": Parameter(1.0, sd=0.5), "v": Parameter(15.0)},
    ...     {"blood": proportional(0.2)})
    >>> fit = fit_bayes(model, data, rng=rng, progress=False)
    >>> fit.status, [round(float(fit.population[name].mean())) for name in ("cl", "v")]
    ('ok', [2, 20])
    """
    from kinetics.estimation.bayes_result import posterior_of, without_draws
    from kinetics.estimation.chain_checks import other_mode
    from kinetics.estimation.density import Density
    from kinetics.estimation.log_posterior import bind_target
    from kinetics.estimation.whitening import approximate

    name = _check(sampler, n_draws, n_tune, n_chains, target_accept)
    target = bind_target(model, data, priors)
    here = approximate(target)
    given = frozenset(priors or {})
    if here.trouble:
        fit = without_draws(target, given, name, n_chains, here.trouble)
    else:
        run = _run_nutpie if name == "nutpie" else _run_pymc
        chains = run(
            Density(target, here.whitening), rng, n_draws, n_tune, n_chains,
            min(cores or n_cores(), n_chains), target_accept, progress,
        )  # fmt: skip
        fields = posterior_of(target, here, given, name, chains, _MOST_NUMBERS)
        fit = _judged(fields, other_mode(target, here))
    if strict and fit.status != "ok":
        raise KineticsError(fit.status)
    return fit


def _judged(fields: dict[str, Any], other: str) -> BayesFit:
    """The result with its diagnostics and what they say."""
    from kinetics.estimation.bayes_result import BayesFit
    from kinetics.estimation.chain_checks import chain_problems

    population, individual = fields["population"], fields["individual"]
    diagnostics = _diagnostics(population) if population else {}
    checked = population
    if not population:  # everything fixed: judge the individual parameters
        varying = individual.reshape(*individual.shape[:2], -1)
        checked = {
            f"individual {k}": varying[..., k]
            for k in range(varying.shape[-1])
            if np.ptp(varying[..., k]) > 0
        }
    judged = diagnostics or _diagnostics(checked)
    problems = chain_problems(
        fields["chains"], checked,
        {name: row["r_hat"] for name, row in judged.items()},
        {name: min(row["ess_bulk"], row["ess_tail"]) for name, row in judged.items()},
    )  # fmt: skip
    if other:
        problems.append(other)
    return BayesFit(**fields, diagnostics=diagnostics, status="; ".join(problems) or "ok")


def _diagnostics(draws: Mapping[str, FloatArray]) -> dict[str, dict[str, float]]:
    """Rank-normalised R-hat, bulk and tail effective sample size, Monte Carlo error of the mean."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ArviZ and what it imports
        az, xr = importlib.import_module("arviz"), importlib.import_module("xarray")
        data = xr.Dataset({name: (("chain", "draw"), values) for name, values in draws.items()})
        several = len(next(iter(draws.values()))) > 1
        columns = {
            "r_hat": az.rhat(data, method="rank") if several else dict.fromkeys(draws, np.nan),
            "ess_bulk": az.ess(data, method="bulk"),
            "ess_tail": az.ess(data, method="tail"),
            "mcse_mean": az.mcse(data, method="mean"),
        }
    return {
        name: {column: float(table[name]) for column, table in columns.items()} for name in draws
    }


def inference_data(fit: BayesFit) -> Any:
    """Draws as ArviZ keeps them: posterior, sample_stats, log_likelihood, observed_data.

    Individual parameters are variables ``individual_<parameter>`` over occasions, labelled
    subject/occasion.
    """
    problem, chains = fit.target.problem, fit.chains
    if chains is None:
        raise KineticsError(f"there are no draws: {fit.status}")
    names, data = problem.model.structure.parameters, problem.data
    individual = {f"individual_{name}": fit.individual[..., j] for j, name in enumerate(names)}
    label = [
        f"{data.subjects[s]}/{occasion}"
        for s, occasion in zip(data.occasion_subject, data.occasion_label, strict=True)
    ]
    groups: dict[str, dict[str, Any]] = {
        "posterior": {**fit.population, **individual},
        "sample_stats": {
            "diverging": chains.diverging, "energy": chains.energy, "n_steps": chains.n_steps,
        },
        "observed_data": {"value": data.value},
    }  # fmt: skip
    dims = {**{name: ["occasion"] for name in individual}, "value": ["observation"]}
    if fit.log_likelihood.shape[-1]:
        groups["log_likelihood"] = {"value": fit.log_likelihood}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ArviZ and what it imports
        az = importlib.import_module("arviz")
        described = {"coords": {"occasion": label}, "dims": dims}
        if az.__version__.startswith("0."):
            idata = az.from_dict(**groups, **described)
        else:  # from ArviZ 1 on the groups are one mapping, and the result is a DataTree
            idata = az.from_dict(groups, **described)
    priors = [f"{name} ~ {fit.priors[name]}" for name in problem.vector.names]
    idata.attrs.update(
        status=fit.status, sampler=fit.sampler, priors="; ".join(priors),
        model=problem.model.structure.name,
    )  # fmt: skip
    return idata


def _check(sampler: str, n_draws: int, n_tune: int, n_chains: int, target_accept: float) -> str:
    """Name of the sampler that will run."""
    if sampler not in SAMPLERS:
        raise KineticsError(f"sampler {sampler!r}; legal: {', '.join(SAMPLERS)}")
    if n_draws < 4 or n_tune < 1 or n_chains < 1 or not 0 < target_accept < 1:
        raise KineticsError(
            "fit_bayes needs at least 4 draws, 1 tuning step, 1 chain and 0 < target_accept < 1"
        )
    installed = importlib.util.find_spec("nutpie") is not None
    if sampler == "nutpie" and not installed:
        raise KineticsError("nutpie is not installed: pip install nutpie, or take sampler='pymc'")
    return "nutpie" if installed and sampler != "pymc" else "pymc"


def _run_nutpie(
    density: Density,
    rng: np.random.Generator,
    n_draws: int,
    n_tune: int,
    n_chains: int,
    cores: int,
    target_accept: float,
    progress: bool,
) -> Chains:
    from kinetics.estimation.chain_checks import Chains

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nutpie and what it imports
        nutpie = importlib.import_module("nutpie")
        compiled = importlib.import_module("nutpie.compiled_pyfunc").from_pyfunc(
            density.size,
            lambda: density,
            lambda *_: lambda v: {"v": v},
            [np.dtype("float64")],
            [(density.size,)],
            ["v"],
            make_initial_point_fn=density.start,
        )
        idata = nutpie.sample(
            compiled, draws=n_draws, tune=n_tune, chains=n_chains, cores=cores,
            seed=int(rng.integers(2**31)), save_warmup=False, progress_bar=progress,
            target_accept=target_accept,
        )  # fmt: skip
    stats = idata["sample_stats"]
    return Chains(
        np.ascontiguousarray(idata["posterior"]["v"].values),
        stats["diverging"].values.astype(bool),
        stats["energy"].values,
        stats["n_steps"].values,
    )


def _run_pymc(
    density: Density,
    rng: np.random.Generator,
    n_draws: int,
    n_tune: int,
    n_chains: int,
    cores: int,
    target_accept: float,
    progress: bool,
) -> Chains:
    from kinetics.estimation.chain_checks import Chains

    seeds = [int(seed) for seed in rng.integers(2**31, size=n_chains)]
    logger = logging.getLogger("pymc")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyMC and what it imports
        pm = importlib.import_module("pymc")
        linker = importlib.import_module("pytensor.link.vm").VMLinker(
            use_cloop=False, c_thunks=False
        )
        mode = importlib.import_module("pytensor.compile.mode").Mode(linker, "fast_compile")
        op = _operator(density)
        logger.setLevel(logging.ERROR)  # its advice is in our status
        try:
            with pm.Model():
                # flat density plus a potential: the kernel holds the whole log posterior
                v = pm.Flat("v", shape=density.size)
                pm.Potential("log_posterior", op(v)[0])
                idata = pm.sample(
                    n_draws, tune=n_tune, chains=n_chains, cores=cores,
                    random_seed=seeds, init="adapt_diag",
                    initvals=[{"v": density.start(seed)} for seed in seeds],
                    target_accept=target_accept, progressbar=progress,
                    compute_convergence_checks=False,
                    compile_kwargs={"mode": mode},
                )  # fmt: skip
        finally:
            logger.setLevel(level)
    stats = idata["sample_stats"]
    return Chains(
        np.ascontiguousarray(idata["posterior"]["v"].values),
        stats["diverging"].values.astype(bool),
        stats["energy"].values,
        stats["n_steps"].values.astype(int),
    )


def _operator(density: Density) -> Any:
    """PyTensor operator with two outputs, value and gradient, from one call of the kernel."""
    pt = importlib.import_module("pytensor.tensor")
    graph = importlib.import_module("pytensor.graph")

    base: Any = graph.Op

    class LogPosterior(base):  # type: ignore[misc]
        __props__ = ()  # equal, so that value and gradient merge into one call
        itypes = (pt.dvector,)
        otypes = (pt.dscalar, pt.dvector)

        def make_node(self, v: Any) -> Any:
            return graph.Apply(self, [pt.as_tensor_variable(v)], [pt.dscalar(), pt.dvector()])

        def perform(self, node: Any, inputs: Any, outputs: Any) -> None:
            value, gradient = density(inputs[0])
            outputs[0][0] = np.asarray(value)
            outputs[1][0] = gradient

        def L_op(self, inputs: Any, outputs: Any, output_grads: Any) -> Any:  # noqa: N802
            return [output_grads[0] * outputs[1]]

    return LogPosterior()
