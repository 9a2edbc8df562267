"""Coefficients of stiffly accurate Rosenbrock methods with dense output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["RODAS5P", "Method"]

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Method:
    """Stage i solves (M / (h gamma) - J) k_i = f(t + c_i h, y + sum a_ij k_j)
    + M sum C_ij / h k_j + h d_i df/dt [hairer1996]_.

    stages: (stages, 2 + 2 stages) c, d, then the rows of a and C. From stage ``n_plain`` on the
    state is that of the stage before plus its k, and a is told as what is added; the step ends
    at the last stage's plus its k, which is the estimate of the error. dense: (order - 2, stages),
    the rows that bend the dense output, see the kernel.
    """

    gamma: float
    n_plain: int
    order: int
    stages: Floats
    dense: Floats


def _method(
    gamma: float,
    order: int,
    c: tuple[float, ...],
    d: tuple[float, ...],
    rows: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...],
    dense: tuple[tuple[float, ...], ...],
) -> Method:
    """Pad with zeros: c and d are given as far as they are not the last stages' 1 and 0."""
    n = len(rows)
    stages = np.zeros((n, 2 + 2 * n))
    stages[:, 0] = 1.0
    stages[: len(c), 0] = c
    stages[: len(d), 1] = d
    for place, (a, big_c) in enumerate(rows):
        stages[place, 2 : 2 + len(a)] = a
        stages[place, 2 + n : 2 + n + len(big_c)] = big_c
    for place, (a, _) in enumerate(rows):
        if place and not a:
            stages[place, 1 + place] = 1.0
    n_plain = sum(1 for place, (a, _) in enumerate(rows) if a or place == 0)
    return Method(gamma, n_plain, order, stages, np.array(dense))


#: Eight stages, order 5, estimate and dense output of order 4; for equations of index 1 as well.
RODAS5P = _method(
    0.21193756319429014,
    5,
    (0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664),
    (0.21193756319429014, -0.42387512638858027, -0.3384627126235924, 1.8046452872882734,
     2.325825639765069),
    (
        ((), ()),
        ((3.0,), (-14.155112264123755,)),
        ((2.849394379747939, 0.45842242204463923), (-17.97296035885952, -2.859693295451294)),
        ((-6.954028509809101, 2.489845061869568, -10.358996098473584),
         (147.12150275711716, -1.41221402718213, 71.68940251302358)),
        ((2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
         (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306)),
        ((-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256,
          0.030198172008377946),
         (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125,
          -0.6610691825249471)),
        ((), (30.91273214028599, -3.1208243349937974, 77.79954646070892, 34.28646028294783,
              -19.097331116725623, -28.087943162872662)),
        ((), (37.80277123390563, -3.2571969029072276, 112.26918849496327, 66.9347231244047,
              -40.06618937091002, -54.66780262877968, -9.48861652309627)),
    ),
    (
        (25.948786856663858, -2.5579724845846235, 10.433815404888879, -2.3679251022685204,
         0.524948541321073, 1.1241088310450404, 0.4272876194431874, -0.17202221070155493),
        (-9.91568850695171, -0.9689944594115154, 3.0438037242978453, -24.495224566215796,
         20.176138334709044, 15.98066361424651, -6.789040303419874, -6.710236069923372),
        (11.419903575922262, 2.8879645146136994, 72.92137995996029, 80.12511834622643,
         -52.072871366152654, -59.78993625266729, -0.15582684282751913, 4.883087185713722),
    ),
)  # fmt: skip
