# SPDX-License-Identifier: BSD-3-Clause
"""Made-up card payments, and what each of the three models looks at."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

#: The columns of a payment, with the types that a request is converted to.
COLUMNS = {
    "amount": "float64",
    "hour": "int64",
    "merchant": "object",
    "device": "object",
    "country": "object",
    "home_country": "bool",
    "payments_last_hour": "int64",
    "failed_logins": "int64",
}

#: One model for each way in which cards are misused; each looks at its own columns only.
VIEWS = {
    "spending": {"numbers": ["amount", "hour"], "words": ["merchant"]},
    "place": {"numbers": ["home_country"], "words": ["device", "country"]},
    "pace": {"numbers": ["payments_last_hour", "failed_logins"], "words": []},
}

_MERCHANTS = ["grocery", "fuel", "travel", "electronics", "jewellery"]
_DEVICES = ["phone", "laptop", "card reader", "emulator"]
_COUNTRIES = ["DE", "FR", "US", "BR", "JP"]


def make_payments(count: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ``count`` payments and, for each view, whether that view gives a fraud away."""
    rng = np.random.default_rng(seed)
    country = rng.choice(_COUNTRIES, count)
    payments = pd.DataFrame(
        {
            "amount": rng.gamma(2.0, 40.0, count).round(2),
            "hour": rng.integers(0, 24, count),
            "merchant": rng.choice(_MERCHANTS, count),
            "device": rng.choice(_DEVICES, count, p=[0.5, 0.25, 0.2, 0.05]),
            "country": country,
            "home_country": rng.random(count) < 0.9,
            "payments_last_hour": rng.poisson(0.7, count),
            "failed_logins": rng.poisson(0.2, count),
        }
    )
    signs = pd.DataFrame(index=payments.index)
    costly = rng.random(count) < 0.05
    payments.loc[costly, "amount"] *= 15
    night = payments["hour"] < 6
    dear = payments["merchant"].isin(["electronics", "jewellery"])
    signs["spending"] = (payments["amount"] > 600) & (night | dear)
    abroad = ~payments["home_country"]
    signs["place"] = abroad & payments["device"].isin(["emulator", "laptop"])
    burst = rng.random(count) < 0.05
    payments.loc[burst, "payments_last_hour"] += rng.integers(4, 12, burst.sum())
    payments.loc[burst, "failed_logins"] += rng.integers(2, 6, burst.sum())
    signs["pace"] = (payments["payments_last_hour"] >= 4) & (payments["failed_logins"] >= 2)
    return payments.astype(COLUMNS), signs


def make_preprocessor(view: str) -> ColumnTransformer:
    """Pick a view's columns out of a payment and turn them into numbers."""
    chosen = VIEWS[view]
    return ColumnTransformer(
        [
            ("numbers", StandardScaler(), chosen["numbers"]),
            ("words", OneHotEncoder(handle_unknown="ignore"), chosen["words"]),
        ],
        sparse_threshold=0,
    )
