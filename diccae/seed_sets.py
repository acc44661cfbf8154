"""The seeds that plans name, `configs/seeds.yaml`, and what a list of seeds may hold."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from diccae.schedule import Strict
from diccae.validation import checked, choices
from diccae.yaml_file import read_yaml

FILE = Path(__file__).resolve().parent.parent / "configs" / "seeds.yaml"
# sets of seeds that a plan may name
NAMES = ("tables", "tuning")
# faiss takes seeds below 2^31, and epochs and the numbers of workers are added to a seed
MAX_SEED = 2_000_000_000


def _distinct(seeds: list[int]) -> list[int]:
    wrong = [seed for seed in seeds if not 0 <= seed <= MAX_SEED]
    if wrong or len(set(seeds)) != len(seeds):
        raise ValueError(f"wanted distinct seeds from 0 to {MAX_SEED:,}")
    return seeds


def _named(content: Any) -> Any:
    """`{tables: 4}` -> the first four seeds of that name; a list stays what it is."""
    if not isinstance(content, dict):
        return content
    if len(content) != 1:
        raise ValueError("wanted a list of seeds, or one name and a number, such as {tables: 4}")
    name, count = next(iter(content.items()))
    if name not in NAMES:
        raise ValueError(f"unknown seeds {name!r}{choices(str(name), NAMES)}")
    seeds: list[int] = getattr(seed_sets(), name)
    if type(count) is not int or not 1 <= count <= len(seeds):
        raise ValueError(
            f"wanted a number from 1 to {len(seeds)} after {name} (configs/seeds.yaml), "
            f"got {count!r}"
        )
    return seeds[:count]


_List = Annotated[list[int], Field(min_length=1), AfterValidator(_distinct)]
Seeds = Annotated[_List, BeforeValidator(_named)]


class SeedSets(Strict):
    """Content of `configs/seeds.yaml`.

    Attributes:
        data: of the clips of the embedded benchmark.
        tables: of the runs that tables are computed from.
        tuning: of the runs that choices are made on.
    """

    data: int = Field(ge=0, le=MAX_SEED)
    tables: _List
    tuning: _List


@lru_cache
def seed_sets() -> SeedSets:
    """The seeds of all plans.

    Raises:
        UserError: the file cannot be read, or a key of it is wrong.
    """
    return checked(SeedSets, read_yaml(FILE), str(FILE))
