"""``docs/msa.md`` tells what the code does."""

import json
import re
from pathlib import Path

from partgate.msa.msa import analyse
from partgate.msa.sheets import read_word
from partgate.msa.study import Call, build_study
from partgate.parts import Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "msa.md").read_text(encoding="utf-8")


def test_every_key_of_the_figures_is_named():
    calls = [
        Call("made", part, name, "1", verdict, verdict)
        for part, verdict in (("1", Verdict.GOOD), ("2", Verdict.REJECT))
        for name in ("Anna", "Ben")
    ]
    figures = json.loads(json.dumps(analyse(build_study(calls, {}))))
    named = set(re.findall(r"`(\w+)`", PAGE))

    keys = {*figures, *figures["appraisers"][0], *figures["appraisers"][0]["miss"], *figures["between"]["agreed"]}

    assert keys <= named


def test_every_word_in_the_table_means_what_it_says():
    rows = re.findall(r"^\| (\S.*) \| (good|defect|recheck)\b.*\|$", PAGE, flags=re.MULTILINE)
    meanings = {"good": Verdict.GOOD, "defect": Verdict.REJECT, "recheck": Verdict.RECHECK}

    assert len(rows) == 3
    for words, meaning in rows:
        assert [read_word(word) for word in words.split(", ")] == [meanings[meaning]] * len(words.split(", "))
