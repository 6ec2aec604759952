# SPDX-License-Identifier: BSD-3-Clause
"""Names the species of iris flowers from four measurements."""

import bentoml
from pydantic import BaseModel, Field


class Flower(BaseModel):
    """What a botanist measures, in centimetres."""

    sepal_length: float = Field(gt=0, description="Length of the sepal in cm")
    sepal_width: float = Field(gt=0, description="Width of the sepal in cm")
    petal_length: float = Field(gt=0, description="Length of the petal in cm")
    petal_width: float = Field(gt=0, description="Width of the petal in cm")


class Species(BaseModel):
    """The likeliest species and how sure the model is of it, from 0 to 1."""

    species: str
    probability: float


@bentoml.service(
    name="iris_classifier",
    resources={"cpu": "500m", "memory": "512Mi"},
    traffic={"timeout": 10},
)
class IrisClassifier:
    """One scikit-learn pipeline behind one typed route."""

    # Resolved when the bento is built: the bento keeps this very version of the model.
    model = bentoml.models.BentoModel("iris_species:latest")

    def __init__(self) -> None:
        self._pipeline = bentoml.sklearn.load_model(self.model)
        self._species = list(self.model.custom_objects["species"])

    @bentoml.api
    def classify(self, flowers: list[Flower]) -> list[Species]:
        """Name the species of each flower, in the order given."""
        rows = [[f.sepal_length, f.sepal_width, f.petal_length, f.petal_width] for f in flowers]
        return [
            Species(species=self._species[row.argmax()], probability=float(row.max()))
            for row in self._pipeline.predict_proba(rows)
        ]
