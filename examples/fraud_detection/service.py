# SPDX-License-Identifier: BSD-3-Clause
"""Asks three models about each payment; one that says fraud is enough."""

from __future__ import annotations

import asyncio

import bentoml
import numpy as np
import pandas as pd
from bentoml.io import JSON, PandasDataFrame
from sklearn.compose import ColumnTransformer
from transactions import COLUMNS, VIEWS, make_payments

_models = [bentoml.xgboost.get(f"fraud_{view}:latest") for view in VIEWS]
_preprocessors = [model.custom_objects["preprocessor"] for model in _models]
# Each runner becomes a server of its own, in a pod of its own once deployed.
_runners = [model.to_runner() for model in _models]

svc = bentoml.Service("fraud_detection", runners=_runners)

_example, _ = make_payments(1, seed=0)


async def _suspects(
    preprocessor: ColumnTransformer, runner: bentoml.Runner, payments: pd.DataFrame
) -> np.ndarray:
    """Tell for each payment whether this model takes it for a fraud."""
    features = preprocessor.transform(payments)
    probabilities = await runner.predict_proba.async_run(features)
    return np.asarray(probabilities)[:, 1] > 0.5


@svc.api(input=PandasDataFrame.from_sample(_example, orient="records"), output=JSON())
async def is_fraud(payments: pd.DataFrame) -> list[bool]:
    """Tell for each payment whether any of the models takes it for a fraud."""
    payments = payments.astype(COLUMNS)
    votes = await asyncio.gather(
        *(_suspects(p, r, payments) for p, r in zip(_preprocessors, _runners))
    )
    return np.any(votes, axis=0).tolist()
