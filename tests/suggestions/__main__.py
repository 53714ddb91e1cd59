"""Learn what phrases and characters say, and measure what is suggested.

python -m tests.suggestions train     writes data/suggestion_weights.json from the part to tune by
python -m tests.suggestions dangers   writes data/danger_weights.json from the part to tune by
python -m tests.suggestions validate  prints how often texts of that part are met when not learned from
python -m tests.suggestions common    writes data/search.json: the commonest pairs of `labelled.jsonl`
python -m tests.suggestions report    writes docs/suggestions.md: precision and recall of both parts
"""

import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, Final

import typer
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, precision_recall_curve
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.svm import LinearSVC
from sklearn.utils.extmath import softmax

from services.intake.domain.dangers import features as runs_of
from services.intake.domain.flags import Entered
from services.intake.domain.reference import Reference
from services.intake.domain.searching import indexed
from services.intake.domain.suggesting import GRAMS, Suggester, Weights
from tests.suggestions.labelled import Labelled, texts
from tests.unit.intake.build import DATA, known

ROOT: Final = Path(__file__).parents[2]
WEIGHTS: Final = DATA / "suggestion_weights.json"
SEARCH: Final = DATA / "search.json"
COMMON: Final = 0.05
"""The share of texts from which on a pair of characters is among the commonest."""
PAGE: Final = ROOT / "docs" / "suggestions.md"
ASKED: Final = {"kinds": "kind", "categories": "category"}
STRENGTH: Final = 2.0
"""How freely weights may grow (C of the support vectors), as LEAST and PHRASES by `validate`."""
PHRASES: Final = 0.05
"""How freely the weights of phrases may grow beside those of characters."""
LEAST: Final = 0.5
"""Weights below it are left out: they say nothing, and the file is half as long."""
FOLDS: Final = 5
RED: Final = ("SELF_HARM", "VIOLENCE", "MINOR_AT_RISK", "MASS_EVENT")
DANGERS: Final = DATA / "danger_weights.json"
PRECISION: Final = 0.8
"""The share of dangers pointed out that must be there, by cross-validation on all texts to tune by and on
those of `labelled.jsonl` alone, among which dangers are rarer."""
SEEN: Final = 2
"""Texts that a run of characters must stand in to be weighed; the rarer it is, the more it may weigh."""
TELLING: Final = 0.5
"""What a run of characters must weigh to be kept."""

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.command()
def train() -> None:
    """Learn the weights from the part to tune by."""
    tuned = _matters()
    learned = {asked: _learned(known().suggester, tuned, field) for asked, field in ASKED.items()}
    comment = "What the features of a text say for each code; made by `python -m tests.suggestions train`."
    _write(WEIGHTS, comment, learned=learned)


def _write(page: Path, comment: str, **learned: Any) -> None:
    """Keep what was learned, in one line."""
    told = {"_comment": comment, **learned}
    page.write_text(json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")


@app.command()
def validate() -> None:
    """Print how many texts of `labelled.jsonl` to tune by are met by what the others taught."""
    tuned = _matters()
    for asked, field in ASKED.items():
        shares = [f"within {most}: {share:.1%}" for most, share in _validated(tuned, field).items()]
        typer.echo(f"{asked}  {'  '.join(shares)}")


def _matters() -> list[Labelled]:
    """What kinds and categories are learned from. Of texts that were written for their dangers, kind and
    category are less certain: with them the others are met less often."""
    return [one for one in texts() if one.part == "tuned" and one.written_for != "dangers"]


def _validated(tuned: Sequence[Labelled], field: str) -> dict[int, float]:
    """By how many codes are told, the share of the texts whose code is among them."""
    later = [one for one in tuned if not one.may_be_measured]
    own = [one for one in tuned if one.may_be_measured and getattr(one, field)]
    met = Counter[int]()
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for taught, asked in folds.split(own, [getattr(one, field) for one in own]):
        learned = _learned(known().suggester, [*later, *(own[at] for at in taught)], field)
        weights = Weights(learned["bias"], learned["of"])
        for one in (own[at] for at in asked):
            codes = [code for code, _ in weights.scores(known().suggester.features(one.text))]
            met.update(most for most in (1, 3) if getattr(one, field) in codes[:most])
    return {most: met[most] / len(own) for most in (1, 3)}


def _learned(suggester: Suggester, told: Sequence[Labelled], field: str) -> dict[str, Any]:
    """What each feature says for each code."""
    told = [one for one in told if getattr(one, field)]
    wanted = [getattr(one, field) for one in told]
    shown = [suggester.features(one.text) for one in told]
    scale = _scale(shown)
    vectors = DictVectorizer()
    features = vectors.fit_transform(
        [{name: value * scale[name] for name, value in one.items()} for one in shown]
    )
    # LinearSVC reads places of 32 bits alone.
    features.indices, features.indptr = (
        place.astype("int32") for place in (features.indices, features.indptr)
    )
    model = LinearSVC(C=STRENGTH, class_weight="balanced", random_state=0)
    model.fit(features, wanted)
    sharpness = _sharpness(model, features, wanted)
    codes = [str(code) for code in model.classes_]
    of: dict[str, dict[str, float]] = {}
    for code, weights in zip(codes, model.coef_, strict=True):
        for name, weight in zip(vectors.get_feature_names_out(), weights, strict=True):
            if abs(folded := float(weight) * scale[name] * sharpness) >= LEAST:
                of.setdefault(str(name), {})[code] = round(folded, 1)
    bias = [round(float(one) * sharpness, 2) for one in model.intercept_]
    return {"bias": dict(zip(codes, bias, strict=True)), "of": of}


def _scale(shown: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """By feature, how freely its weight may grow: characters the more the rarer they are (idf)."""
    counted = Counter(name for one in shown for name in one)
    rarity = {name: math.log((1 + len(shown)) / (1 + count)) + 1 for name, count in counted.items()}
    usual = mean(rarity.values())
    return {name: PHRASES if len(name) > max(GRAMS) else rare / usual for name, rare in rarity.items()}


def _sharpness(model: LinearSVC, features: Any, wanted: Sequence[str]) -> float:
    """What the sums are multiplied by to be likelihoods for texts that were not learned from."""
    sums = cross_val_predict(model, features, wanted, cv=3, method="decision_function")
    tried = (step / 4 for step in range(1, 41))
    return min(tried, key=lambda one: log_loss(wanted, softmax(one * sums), labels=model.classes_))


@app.command()
def dangers() -> None:
    """Learn from the tuned part what points to each red flag, and how much must."""
    told = [one for one in texts() if one.part == "tuned"]
    shown = [runs_of(one.text) for one in told]
    seen = Counter(run for runs in shown for run in runs)
    rarity = {run: 1 + math.log(len(told) / many) for run, many in seen.items() if many >= SEEN}
    vectors = DictVectorizer()
    features = vectors.fit_transform(
        [{run: value * rarity[run] for run, value in runs.items() if run in rarity} for runs in shown]
    )
    learned: dict[str, dict[str, float]] = {}
    of: dict[str, dict[str, float]] = {}
    for flag in RED:
        meant = [flag in one.flags for one in told]
        model = LogisticRegression(max_iter=3000, class_weight="balanced")
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
        unseen = cross_val_predict(model, features, meant, cv=folds, method="decision_function")
        by_text = list(zip(meant, unseen, told, strict=True))
        least = max(
            _least([(wanted, said) for wanted, said, one in by_text if one.may_be_measured or not everyday])
            for everyday in (False, True)
        )
        pointed_out = [wanted for wanted, said, _ in by_text if said >= least]
        typer.echo(
            f"{flag}: by cross-validation {sum(pointed_out) / sum(meant):.0%} pointed out,"
            f" {sum(pointed_out) / len(pointed_out):.0%} of it rightly"
        )
        model.fit(features, meant)
        learned[flag] = {"bias": round(float(model.intercept_[0]), 2), "least": round(least, 2)}
        for run, weight in zip(vectors.get_feature_names_out(), model.coef_[0], strict=True):
            if abs(weight * rarity[run]) >= TELLING:
                of.setdefault(str(run), {})[flag] = round(float(weight) * rarity[run], 1)
    comment = (
        "What runs of characters say for a red flag that the rules do not raise, and the sum from which on it"
        " is pointed out; made by `python -m tests.suggestions dangers`."
    )
    _write(DANGERS, comment, dangers=learned, of=of)


def _least(said: Sequence[tuple[bool, float]]) -> float:
    """The least sum from which on dangers are pointed out rightly often enough."""
    precisions, _, sums = precision_recall_curve(*zip(*said, strict=True))
    return float(
        next(one for precision, one in zip(precisions, sums, strict=False) if precision >= PRECISION)
    )


@app.command()
def common() -> None:
    """Find the pairs of characters that are too common to search for (G22)."""
    held = [indexed(one.text, (), frozenset()) for one in texts() if one.may_be_measured]
    counted = Counter(pair for pairs in held for pair in pairs)
    pairs = [pair for pair, count in counted.most_common() if count >= COMMON * len(held)]
    comment = (
        f"Pairs of characters in at least {COMMON:.0%} of the labelled texts, by which nobody finds a case;"
        " made by `python -m tests.suggestions common`. After a change: `heshi reindex`."
    )
    SEARCH.write_text(
        json.dumps({"_comment": comment, "common": pairs}, ensure_ascii=False, indent=1) + "\n", "utf-8"
    )


@app.command()
def report() -> None:
    """Measure both parts and write the page."""
    PAGE.write_text("\n".join(_page(known(), texts())) + "\n", "utf-8")


def _page(reference: Reference, told: Sequence[Labelled]) -> Iterator[str]:
    tuned, measured = ([one for one in told if one.part == part] for part in ("tuned", "measured"))
    yield "# How good the suggestions are"
    yield ""
    yield (
        f"Written by `python -m tests.suggestions report` from {len(told)} invented texts"
        f" (`tests/suggestions/`): {len(tuned)} to tune by, {len(measured)} that are only"
        " measured. Most tell a matter in everyday words, dialect or figures of speech on purpose, with near"
        " misses of every flag."
    )
    yield ""
    yield "| | tuned | measured | aim on measured |"
    yield "|---|---|---|---|"
    for name, asked, most, aim in (
        ("kind, first", "kinds", 1, "90 %"),
        ("category, first", "categories", 1, "85 %"),
        ("category, within three", "categories", 3, "97 %"),
    ):
        shares = [_share(reference.suggester, part, asked, most) for part in (tuned, measured)]
        yield f"| {name} | {shares[0]:.1%} | {shares[1]:.1%} | {aim} |"
    yield ""
    yield from _flags(reference, tuned, measured)
    yield ""
    pace, pace_of_flags = _paces(reference, told)
    length = sum(len(one.text) for one in told) / len(told)
    yield (
        f"A text of {length:.0f} characters on average takes {pace:.2f} ms for kinds, categories and routes"
        f" and {pace_of_flags:.3f} ms for the flags on the machine of `docs/figures.md`."
    )


def _flags(reference: Reference, tuned: Sequence[Labelled], measured: Sequence[Labelled]) -> Iterator[str]:
    yield (
        "Flags, raised by the rules of `flags.json` alone; and the red ones raised or pointed out"
        " (`possible_flags`) by what was learned:"
    )
    yield ""
    yield "| flag | recall tuned | recall measured | precision tuned | precision measured | texts measured |"
    yield "|---|---|---|---|---|---|"
    for flag in reference.flags.by_code:
        name = f"**{flag}**" if flag in RED else flag
        yield f"| {name} | {_in_parts(reference, tuned, measured, flag, pointed_out=False)} |"
        if flag in RED:
            yield f"| … or pointed out | {_in_parts(reference, tuned, measured, flag, pointed_out=True)} |"
    yield ""
    yield (
        "Aim: recall 100 % at precision ≥ 80 % for the four red flags (bold). It is not met on texts that"
        " nobody tuned by: danger told in images has no phrase. The tuned columns of what is pointed out tell"
        " what was learned from; `python -m tests.suggestions dangers` prints those of"
        " cross-validation. What is pointed out is raised by a person or not at all; no rule lowers a flag."
    )


def _in_parts(
    reference: Reference,
    tuned: Sequence[Labelled],
    measured: Sequence[Labelled],
    flag: str,
    pointed_out: bool,
) -> str:
    (recall, precision, _), (recall_m, precision_m, many) = (
        _of_flag(reference, part, flag, pointed_out) for part in (tuned, measured)
    )
    return f"{recall:.0%} | {recall_m:.0%} | {precision:.0%} | {precision_m:.0%} | {many}"


def _share(suggester: Suggester, told: Sequence[Labelled], asked: str, most: int) -> float:
    field = ASKED[asked]
    labelled = [one for one in told if getattr(one, field)]
    met = sum(
        getattr(one, field) in [said.code for said in suggester.suggest(one.text)[asked][:most]]
        for one in labelled
    )
    return met / len(labelled)


def _of_flag(
    reference: Reference, told: Sequence[Labelled], flag: str, pointed_out: bool
) -> tuple[float, float, int]:
    """Recall, precision, and how many texts have the flag."""

    def found(text: str) -> bool:
        raised = reference.flags.judge(text, Entered()).flags
        possible = reference.dangers.possible(text, raised) if pointed_out else ()
        return flag in raised or any(one.code == flag for one in possible)

    seen = Counter((flag in one.flags, found(one.text)) for one in told)
    right, wanted, raised = (
        seen[True, True],
        seen[True, True] + seen[True, False],
        seen[True, True] + seen[False, True],
    )
    return right / max(1, wanted), right / max(1, raised), wanted


def _paces(reference: Reference, told: Sequence[Labelled]) -> tuple[float, float]:
    """Milliseconds for a text: for what it is about, and for its flags."""
    begun = time.perf_counter()
    for one in told:
        reference.suggester.suggest(one.text)
    between = time.perf_counter()
    for one in told:
        reference.flags.judge(one.text, Entered())
    ended = time.perf_counter()
    return (between - begun) / len(told) * 1000, (ended - between) / len(told) * 1000


if __name__ == "__main__":
    app()
