"""Agreed limits: what their file may say, what is counted, and when a limit is passed, failed or not shown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from partgate.configfile import load_config
from partgate.data.folder import Picture
from partgate.errors import ConfigError
from partgate.evaluation.agreed_limits import (
    AgreedLimits,
    LimitVerdict,
    PartCounts,
    VerdictCounts,
    count_verdicts,
    judge_limits,
    load_limits,
    overall_verdict,
)
from partgate.evaluation.judge import Judged
from partgate.evaluation.rates import parts_needed
from partgate.parts import Decision, Prediction, Reason, Verdict

ROOT = Path(__file__).parents[2]
NONE = VerdictCounts()


def agreed(**changes: object) -> AgreedLimits:
    keys = {"name": "cover", "rechecks": "caught", "rechecks_good": "accepted"} | changes
    return AgreedLimits.model_validate(keys)


def defects(escapes: int, parts: int, rechecks: int = 0) -> PartCounts:
    found = VerdictCounts(good=escapes, recheck=rechecks, reject=parts - escapes - rechecks)
    return PartCounts(NONE, found, {"scratch": found}, {})


# --- the file


@pytest.mark.parametrize("path", sorted((ROOT / "configs/limits").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_limits_file_loads(path: Path):
    assert load_config(path, AgreedLimits).name


def write_limits(folder: Path, text: str) -> Path:
    path = folder / "limits.yaml"
    path.write_text("name: cover\nrechecks: caught\nrechecks_good: accepted\n" + text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("escape_rate: 5", r"escape_rate: must be a fraction between 0 and 1, got 5: is 5 % meant\? That is 0\.05"),
        ("escape_rate: 1", r"got 1: is 1 % meant\? That is 0\.01"),
        ("escape_rate: 0.01\nconfidence: 95", r"confidence: .*, got 95: is 95 % meant\? That is 0\.95"),
        ("escape_rate: 0.01\nconfidence: 0.2", r"confidence: must be 0\.5 or more, got 0\.2"),
        ("escape_rate: 0", "escape_rate: .* got 0: it must be above 0; name the smallest that matters"),
        ("escape_rate: -0.1", r"escape_rate: .* got -0\.1: 0\.05 is 5 %"),
        ("escape_rate: 2 %", r"escape_rate: must be a fraction such as 0\.05 \(that is 5 %\), got '2 %'"),
        ("escape_rate: yes", "escape_rate: must not be yes"),
        ("escape_rte: 0.01", "escape_rte is not a known key; did you mean 'escape_rate'"),
        ("classes: {scratch: {escape_rat: 0.01}}", "escape_rat is not a known key; did you mean 'escape_rate'"),
        ("classes: {scratch: {escape_rate: 2}}", r"classes\.scratch\.escape_rate: .* is 2 % meant"),
        ("agreed_on: yesterday", "agreed_on: .*date"),
        ("agreed_by: [a]", "no limit stands there; name escape_rate"),
    ],
    ids=["percent", "one", "confidence", "low-confidence", "zero", "negative", "text", "yes", "unknown-key",
         "unknown-inner-key", "inner-percent", "no-date", "no-limit"],
)  # fmt: skip
def test_wrong_limits_file_is_refused_in_words(tmp_path: Path, text: str, problem: str):
    with pytest.raises(ConfigError, match=problem):
        load_limits(write_limits(tmp_path, text))


@pytest.mark.parametrize("key", ["rechecks", "rechecks_good"])
def test_how_a_recheck_counts_must_be_stated(tmp_path: Path, key: str):
    path = write_limits(tmp_path, "escape_rate: 0.01\n")
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith(f"{key}:")]
    path.write_text("\n".join(kept), encoding="utf-8")

    with pytest.raises(ConfigError, match=f"{key}: is missing"):
        load_limits(path)


# --- the verdict


@pytest.mark.parametrize(
    ("escapes", "parts", "verdict"),
    [(0, 50, "not_shown"), (0, 148, "not_shown"), (0, 149, "passed"), (6, 149, "not_shown"), (7, 149, "failed")],
)
def test_verdicts_against_two_percent_are_those_of_the_plan(escapes: int, parts: int, verdict: str):
    (result,) = judge_limits(agreed(escape_rate=0.02), defects(escapes, parts))

    assert result.verdict == verdict
    assert (result.events, result.parts) == (escapes, parts)


@pytest.mark.parametrize(("limit", "verdict"), [(0.0222, "failed"), (0.0224, "not_shown")])
def test_limit_just_below_the_lower_bound_failed_and_just_above_it_is_not_shown(limit: float, verdict: str):
    (result,) = judge_limits(agreed(escape_rate=limit), defects(7, 149))

    assert result.lower == pytest.approx(0.0223, abs=5e-5)
    assert result.verdict == verdict


def test_without_one_part_nothing_is_shown():
    (result,) = judge_limits(agreed(escape_rate=0.02), PartCounts(NONE, NONE, {}, {}))

    assert (result.verdict, result.lower, result.upper, result.parts_missing) == ("not_shown", 0.0, 1.0, 149)


def test_parts_still_missing_are_those_that_pass_it_without_a_further_error():
    (result,) = judge_limits(agreed(escape_rate=0.02), defects(1, 100))

    assert result.parts_missing == 236 - 100
    (later,) = judge_limits(agreed(escape_rate=0.02), defects(1, 236))
    assert (later.verdict, later.parts_missing) == ("passed", 0)


def test_after_a_failure_no_number_of_parts_is_promised():
    (result,) = judge_limits(agreed(escape_rate=0.02), defects(7, 149))

    assert result.parts_missing is None


@given(st.sampled_from([0.1, 0.05, 0.02, 0.01, 0.3]), st.integers(0, 8))
def test_planned_number_of_parts_always_passes_and_one_less_never_does(limit: float, errors: int):
    needed = parts_needed(limit, errors)

    enough, too_few = (
        judge_limits(agreed(escape_rate=limit), defects(errors, parts))[0].verdict for parts in (needed, needed - 1)
    )

    assert (enough, too_few) == (LimitVerdict.PASSED, LimitVerdict.NOT_SHOWN)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.001, 0.9))
def test_verdict_follows_from_the_bounds_of_scipy(counts: tuple[int, int], limit: float):
    k, n = counts
    upper = beta.ppf(0.95, k + 1, n - k) if k < n else 1.0
    lower = beta.ppf(0.05, k, n - k + 1) if k else 0.0

    (result,) = judge_limits(agreed(escape_rate=limit), defects(k, n))

    assert (result.lower, result.upper) == (pytest.approx(lower, abs=1e-9), pytest.approx(upper, abs=1e-9))
    if abs(upper - limit) > 1e-6 and abs(lower - limit) > 1e-6:
        assert result.verdict == ("passed" if upper < limit else "failed" if lower > limit else "not_shown")


@pytest.mark.parametrize(("rule", "escapes"), [("caught", 1), ("escape", 3)])
def test_rechecked_defect_part_counts_by_the_agreed_rule(rule: str, escapes: int):
    limits = agreed(rechecks=rule, escape_rate=0.1, classes={"scratch": {"escape_rate": 0.2}})

    results = judge_limits(limits, defects(1, 10, rechecks=2))

    assert [result.events for result in results] == [escapes, escapes]


@pytest.mark.parametrize(("rule", "rejects"), [("accepted", 2), ("false_reject", 5)])
def test_rechecked_good_part_counts_by_the_agreed_rule_and_always_as_a_recheck(rule: str, rejects: int):
    limits = agreed(rechecks_good=rule, false_reject_rate=0.1, recheck_rate=0.2)
    counts = PartCounts(VerdictCounts(good=15, recheck=3, reject=2), NONE, {}, {})

    results = judge_limits(limits, counts)

    assert [(one.kind, one.events, one.parts) for one in results] == [
        ("false_reject_rate", rejects, 20), ("recheck_rate", 3, 20),
    ]  # fmt: skip


def test_limits_come_for_all_parts_then_by_class_then_by_severity():
    limits = agreed(
        escape_rate=0.1, classes={"dent": {"escape_rate": 0.2}}, severities={"critical": {"escape_rate": 0.01}}
    )
    counts = PartCounts(NONE, VerdictCounts(good=1, reject=9), {"dent": VerdictCounts(good=1, reject=3)},
                        {"critical": VerdictCounts(reject=2)})  # fmt: skip

    results = judge_limits(limits, counts)

    assert [(one.scope, one.name, one.events, one.parts) for one in results] == [
        ("all", None, 1, 10), ("class", "dent", 1, 4), ("severity", "critical", 0, 2),
    ]  # fmt: skip


def test_class_and_severity_that_nobody_knows_are_named_with_the_known_ones():
    limits = agreed(classes={"scrach": {"escape_rate": 0.1}}, severities={"critical": {"escape_rate": 0.1}})

    with pytest.raises(ConfigError) as caught:
        judge_limits(limits, PartCounts(NONE, NONE, {"scratch": NONE, "dent": NONE}, {}))

    assert caught.value.problems == (
        "agreed limits: classes.scrach: no defect part is of it; did you mean 'scratch'?; known: dent, scratch",
        "agreed limits: severities.critical: no defect part is of it; known: none (column severity of labels.csv)",
    )


@pytest.mark.parametrize(
    ("verdicts", "overall"),
    [
        (["passed", "passed"], "passed"),
        (["passed", "not_shown"], "not_shown"),
        (["passed", "not_shown", "failed"], "failed"),
        ([], "not_shown"),
    ],
)
def test_all_is_passed_only_where_every_limit_is_and_failed_where_one_is(verdicts: list[str], overall: str):
    counts = {"passed": (0, 149), "not_shown": (0, 50), "failed": (7, 149)}
    results = [judge_limits(agreed(escape_rate=0.02), defects(*counts[one]))[0] for one in verdicts]

    assert overall_verdict(results) == overall


# --- what is counted


def judged(label: str, verdict: Verdict, severity: str = "") -> Judged:
    picture = Picture(Path("p.png"), "p.png", label, "0" * 64, "g", columns={"severity": severity})
    return Judged(picture, Decision(verdict, Reason.MODEL), Prediction(0.5, {}, label, None), 0)


def test_parts_are_counted_by_truth_class_and_severity():
    parts = [
        judged("good", Verdict.GOOD), judged("good", Verdict.RECHECK), judged("good", Verdict.REJECT, "critical"),
        judged("dent", Verdict.GOOD, "critical"), judged("dent", Verdict.REJECT), judged("crack", Verdict.RECHECK),
    ]  # fmt: skip

    counts = count_verdicts(parts, "good", ["dent", "good", "scratch"])

    assert counts.good == VerdictCounts(1, 1, 1)
    assert counts.defect == VerdictCounts(1, 1, 1)
    assert counts.classes == {"crack": VerdictCounts(0, 1, 0), "dent": VerdictCounts(1, 0, 1), "scratch": NONE}
    assert counts.severities == {"critical": VerdictCounts(1, 0, 0)}
