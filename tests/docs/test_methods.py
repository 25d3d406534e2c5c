"""Every method has a page, and all these pages have one form."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from agents.a2c import Learner
from cpc_repr.audio.experiment import AudioExperiment
from cpc_repr.text.experiment import TextExperiment
from cpc_repr.vision.pretext import METHODS
from cpc_repr.vision.transfer.detection import Detector
from cpc_rl.aux import AUX_LOSSES

ROOT = Path(__file__).resolve().parents[2]
FORM = ["Usage", "What is logged", "Implementation details", "Results", "What did not help"]
SHARED = {"cpc": "{family}.md", "gim": "greedy_infomax.md", "greedy": "greedy_infomax.md"}
FAMILIES = {"audio": AudioExperiment.methods, "text": TextExperiment.methods, "vision": METHODS}
PAGES: list[tuple[str, type]] = [("a2c.md", Learner), ("detection.md", Detector)]
PAGES += [(f"aux_{name}.md", loss) for name, loss in AUX_LOSSES.items()]
PAGES += [
    (SHARED.get(name, "{family}_{name}.md").format(family=family, name=name), method)
    for family, methods in FAMILIES.items()
    for name, method in methods.items()
]


def sections(page: str) -> dict[str, str]:
    """What stands under each heading of `page`; under "" what stands before the first one."""
    _, *parts = re.split(r"^#+ ", (ROOT / "docs" / page).read_text(encoding="utf-8"), flags=re.M)
    first, *others = (part.partition("\n") for part in parts)
    return {"": first[2], **{title: text.strip() for title, _, text in others}}


@pytest.mark.parametrize(("page", "method"), PAGES, ids=lambda value: getattr(value, "__name__", value))
def test_a_methods_page_has_the_form(page: str, method: type) -> None:
    found = sections(page)
    assert [title for title in found if title in FORM] == FORM
    assert all(found[title] for title in FORM)
    source = Path(inspect.getfile(method)).relative_to(ROOT)
    assert f"`{source}`" in found[""], "what it is ends with where its code is"
    assert re.search(r"\b(19|20)\d\d\b", found[""]), "what it is names the paper, with its year"
    assert re.search(r"^python -m ", found["Usage"], flags=re.M)
    numbers = [int(n) for n in re.findall(r"^(\d+)\. ", found["Implementation details"], flags=re.M)]
    assert len(numbers) > 2 and numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("name", AUX_LOSSES)
def test_the_page_of_an_auxiliary_loss_names_its_metrics(name: str) -> None:
    logged = sections(f"aux_{name}.md")["What is logged"]
    assert f"`loss/{name}`" in logged
    if curve := AUX_LOSSES[name].curve:
        assert f"`{name}/{curve}" in logged
