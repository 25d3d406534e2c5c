"""Where the negatives of a contrastive loss come from: the same words on every command line."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypedDict

from pydantic import Field, model_validator

from configs import Frozen
from cpc_rl.infonce import Pool

Count = Annotated[int, Field(ge=1, le=65_536)] | Literal["all"]


class NegativeOptions(TypedDict):
    """Keyword arguments of `cpc_loss` and `contrast_predictions`."""

    pool: Pool
    num_negatives: int | None
    exclude_own: bool


class Negatives(Frozen):
    """Negatives of each prediction: the pool, how many are drawn from it, and what is left out."""

    pool: Pool = Field(
        default="batch",
        description="Latents that can be negatives. `batch`: all of the batch; `sequence`: those of the prediction's "
        "own sequence; `time`: those of the predicted time step.",
    )
    count: Count = Field(
        default="all",
        description="Number of negatives drawn from the pool with replacement, shared by its predictions; `all`: the "
        "whole pool.",
    )
    exclude: Literal["none", "own"] = Field(
        default="none",
        description="Latents left out of the pool: `own`, those of the prediction's own sequence; `none`.",
    )

    @model_validator(mode="after")
    def _leave_some(self) -> Self:
        if self.pool == "sequence" and self.exclude == "own":
            raise ValueError("pool 'sequence' without the 'own' sequence is empty: choose pool batch or time")
        return self

    @property
    def needs_two_sequences(self) -> str:
        """The setting by which a batch of one sequence has no negative, such as `pool time`; "" if it has some."""
        if self.pool == "time":
            return "pool time"
        return "exclude own" if self.exclude == "own" else ""

    @property
    def options(self) -> NegativeOptions:
        """As `cpc_rl.infonce` takes them."""
        count = None if self.count == "all" else self.count
        return {"pool": self.pool, "num_negatives": count, "exclude_own": self.exclude == "own"}
