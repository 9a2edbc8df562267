"""Recompute the dossier's numbers from a bundle, without cellula: python recompute.py BUNDLE.zip.

For each claim, of the selected model: variance explained over the drug's mean in training, the
mean Spearman correlation within drug (and fold), and the coverage of the 90 % intervals.
"""

import sys
import zipfile

import numpy as np
import pandas as pd
from scipy.stats import rankdata


def within_drug(part: pd.DataFrame) -> float:
    """Correlation of the ranks; NaN where it has no meaning, 0 where the prediction is constant."""
    if len(part) < 3 or part["observed"].nunique() < 2:
        return float("nan")
    if part["mean"].nunique() < 2:
        return 0.0
    return float(np.corrcoef(rankdata(part["observed"]), rankdata(part["mean"]))[0, 1])


def recompute(bundle: str) -> pd.DataFrame:
    """One row a claim: variance_explained, spearman_within_perturbation, coverage."""
    keys = ["fold", "perturbation", "context", "readout"]
    rows = {}
    with zipfile.ZipFile(bundle) as archive:

        def table(path: str) -> pd.DataFrame:
            with archive.open(f"{path}.parquet") as file:
                return pd.read_parquet(file).astype(dict.fromkeys(keys, str))

        names = [name for name in archive.namelist() if name.startswith("truth/")]
        for claim in (name.removeprefix("truth/").removesuffix(".parquet") for name in names):
            answer = table(f"predictions/{claim}/selected")
            trivial = table(f"predictions/{claim}/mean_response")[[*keys, "mean"]]
            both = table(f"truth/{claim}").merge(answer, on=keys, validate="1:1")
            both = both.merge(trivial, on=keys, validate="1:1", suffixes=("", "_trivial"))
            left = ((both["observed"] - both["mean"]) ** 2).sum()
            around = ((both["observed"] - both["mean_trivial"]) ** 2).sum()
            drugs = [within_drug(part) for _, part in both.groupby(["fold", "perturbation"])]
            rows[claim] = {
                "variance_explained": 1.0 - left / around,
                "spearman_within_perturbation": np.nanmean(drugs),
                "coverage": both["observed"].between(both["lower"], both["upper"]).mean(),
            }
    return pd.DataFrame(rows).T


if __name__ == "__main__":
    with pd.option_context("display.precision", 12, "display.width", 120):
        sys.stdout.write(f"{recompute(sys.argv[1])}\n")
