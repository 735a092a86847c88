"""How many parts a proof needs, what the chances are, and how both are said."""

import pytest
from scipy.stats import binom
from typer.testing import CliRunner

from partgate.acceptance.plan import check_options, describe_plan, plan_test
from partgate.cli.main import app
from partgate.errors import ConfigError


@pytest.mark.parametrize(
    ("limit", "errors", "parts"),
    [(0.05, 0, 59), (0.02, 0, 149), (0.01, 0, 299), (0.001, 0, 2995), (0.05, 1, 93), (0.001, 1, 4742)],
)
def test_plan_needs_the_published_number_of_parts(limit: float, errors: int, parts: int):
    assert plan_test(limit, errors).parts == parts


@pytest.mark.parametrize("errors", [0, 1, 3])
def test_chances_are_those_of_the_binomial_distribution(errors: int):
    plan = plan_test(0.02, errors)

    assert plan.chance_at_half == pytest.approx(binom.cdf(errors, plan.parts, 0.01))
    assert plan.chance_at_tenth == pytest.approx(binom.cdf(errors, plan.parts, 0.002))


def test_gate_exactly_at_the_limit_passes_in_at_most_five_of_a_hundred_tests():
    plan = plan_test(0.02, 2)

    assert binom.cdf(2, plan.parts, 0.02) <= 0.05


def test_plan_in_words_names_parts_errors_chances_and_further_rows():
    lines = describe_plan("escape", plan_test(0.01), "en")

    assert lines[0] == "Escape rate at most 1 %, shown at one-sided 95 % confidence"
    assert lines[1].strip() == "needs 299 different defect parts, with 0 escapes at most"
    assert lines[2].strip() == "chance to succeed, if the true rate is 0.5 %: 22 %; if it is 0.1 %: 74 %"
    assert [line.split()[:2] for line in lines[-3:]] == [["1", "473"], ["2", "628"], ["3", "773"]]
    assert lines[-4].split()[:3] == [">", "0", "299"]


def test_more_errors_than_the_table_shows_get_a_row_of_their_own():
    lines = describe_plan("escape", plan_test(0.1, 6), "en")

    assert lines[-1].startswith(">")
    assert lines[-1].split()[1] == "6"


def test_plan_in_german_has_decimal_commas_and_umlauts():
    text = "\n".join(describe_plan("false_reject", plan_test(0.05, 2), "de"))

    assert "Pseudofehlerrate höchstens 5 %" in text
    assert "braucht 124 verschiedene Gutteile, davon höchstens 2 fälschlich ausgeschleust" in text
    assert "0,5 %" in text


def test_every_wrong_option_is_named_at_once():
    with pytest.raises(ConfigError) as caught:
        check_options(escape_rate=5, confidence=95)

    assert caught.value.problems == (
        "--escape-rate: must be a fraction between 0 and 1, got 5: is 5 % meant? That is 0.05",
        "--confidence: must be a fraction between 0 and 1, got 95: is 95 % meant? That is 0.95",
    )


def test_command_plans_both_kinds_of_parts():
    result = CliRunner().invoke(
        app, ["plan", "--escape-rate", "0.02", "--false-reject-rate", "0.05", "--false-reject-errors", "2"]
    )

    assert result.exit_code == 0
    assert "needs 149 different defect parts" in result.output
    assert "needs 124 different good parts, with 2 false rejects at most" in result.output
    assert "several pictures of one part count once" in result.output


def test_command_without_a_limit_says_what_to_name():
    result = CliRunner().invoke(app, ["plan"])

    assert isinstance(result.exception, ConfigError)
    assert "name --escape-rate 0.01" in str(result.exception)
