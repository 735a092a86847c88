"""Reading an agreement study: sheets as German and English spreadsheets write them, and everything wrong with them."""

from pathlib import Path

import numpy as np
import pytest

from partgate.errors import DataError
from partgate.msa.input import read_study
from partgate.msa.page import decisions_csv
from partgate.msa.sheets import read_word, write_template
from partgate.msa.study import Study
from partgate.parts import Verdict

HEAD = "part,appraiser,run,verdict,reference\n"
WHOLE = HEAD + "1,Anna,1,good,good\n2,Anna,1,defect,defect\n"


def read(path: Path, content: str | bytes, **options: object) -> Study:
    sheet = path / "study.csv"
    sheet.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_study([sheet], progress=lambda *_: None, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", r"study\.csv: is empty; the first row must name the columns part, appraiser, run, verdict"),
        (HEAD, "holds no decision under its first row"),
        ("part,run,verdict\n1,1,good\n", r"missing: appraiser; got part, run, verdict"),
        ("part,Teil,appraiser,run,verdict\n1,1,A,1,good\n", "names the column part more than once"),
        (HEAD + "1,Anna,1,maybe,good\n", r"row 2: unknown verdict 'maybe'; known words: good, gut, ok, i\.O\., 1"),
        (HEAD + "1,Anna,1,good,recheck\n", "row 2: the reference must be good or defect, got 'recheck'"),
        (HEAD + "1,Anna,1,,good\n", "row 2: verdict is empty"),
        (HEAD + "1,Anna,1,good\n", "row 2: has 4 columns, the first row has 5"),
        (HEAD + '1,Anna,1,"good,good\n', r"row 2|quotation mark"),
        (WHOLE + "1,Ben,1,good,good\n", r"missing: part '2', appraiser 'Ben', run 1"),
        (WHOLE + "1,Anna,1,good,good\n", r"row 4: part '1', appraiser 'Anna', run 1 stands already in .*row 2"),
        (WHOLE + "1,Ben,1,good,defect\n", r"part '1' has two references: good \(.*row 2\), defect \(.*row 4\)"),
        (HEAD + "1,Anna,1,good,good\n2,Anna,1,good,\n", r"1 parts have no reference: '2'; add a column 'reference'"),
        (HEAD + "1,Anna,1,good,good\n", r"holds 1 part \('1'\); it needs at least 2, better 50"),
        ("part;appraiser;run;verdict\n1;Müller;1;gut\n".encode("cp1252"), "is not UTF-8 .*save it as 'CSV UTF-8'"),
    ],
    ids=[
        "empty", "head-only", "column-missing", "column-twice", "unknown-word", "reference-recheck", "no-verdict",
        "short-row", "open-quote", "missing-run", "duplicate", "two-references", "no-reference", "one-part", "cp1252",
    ],
)  # fmt: skip
def test_wrong_sheet_is_refused_with_the_place_and_the_next_step(tmp_path: Path, content: str | bytes, problem: str):
    with pytest.raises(DataError, match=problem):
        read(tmp_path, content)


def test_missing_run_names_how_many_decisions_are_there(tmp_path: Path):
    rows = "".join(f"{part},Anna,{run},good,good\n" for part in range(1, 21) for run in (1, 2) if (part, run) != (7, 2))

    with pytest.raises(DataError, match=r"39 of 40 decisions are there \(20 parts x 2 runs x 1 appraiser: Anna"):
        read(tmp_path, HEAD + rows)


def test_only_ten_problems_are_named_one_by_one(tmp_path: Path):
    with pytest.raises(DataError, match=r"row 11: .*\n\.\.\. and 5 more") as refused:
        read(tmp_path, HEAD + "1,Anna,1,perhaps,good\n" * 15)

    assert len(str(refused.value).splitlines()) == 11


def test_file_that_does_not_exist_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"nothing\.csv: cannot be read: No such file"):
        read_study([tmp_path / "nothing.csv"], progress=lambda *_: None)


def test_german_spreadsheet_with_byte_order_mark_semicolons_and_german_words_is_read(tmp_path: Path):
    content = "Teil;Prüfer;Durchgang;Urteil;Referenz\r\n10;Änne;1;i.O.;gut\r\n9;Änne;1; N.i.O. ;nok\r\n;;;;\r\n"

    study = read(tmp_path, content.encode("utf-8-sig"))

    assert (study.parts, study.appraisers) == (("9", "10"), ("Änne",))
    assert study.is_defect.tolist() == [True, False]
    assert study.verdicts[0, :, 0].tolist() == [Verdict.REJECT, Verdict.GOOD]


@pytest.mark.parametrize(
    ("word", "verdict"),
    [("OK", "GOOD"), ("io", "GOOD"), ("1", "GOOD"), ("n.i.O.", "REJECT"), ("not ok", "REJECT"), ("0", "REJECT"),
     ("schlecht", "REJECT"), ("RECHECK", "RECHECK"), ("Nachprüfung", "RECHECK")],
)  # fmt: skip
def test_words_of_the_trade_are_known(word: str, verdict: str):
    assert read_word(word) is Verdict[verdict]


def test_numbers_are_read_as_in_the_manual_and_the_user_is_told(tmp_path: Path):
    study = read(tmp_path, HEAD + "1,Anna,1,1,1\n2,Anna,1,0,0\n")

    assert study.is_defect.tolist() == [False, True]
    assert study.notes == ("study.csv: numbers are read as in the AIAG manual: 1 = good, 0 = defect",)


def test_reference_may_stand_in_a_file_of_its_own(tmp_path: Path):
    (tmp_path / "truth.csv").write_text("part,reference\n1,good\n2,defect\n3,good\n")

    study = read(tmp_path, "part,appraiser,run,verdict\n1,A,1,good\n2,A,1,good\n", reference=tmp_path / "truth.csv")

    assert study.is_defect.tolist() == [False, True]
    assert study.notes == ("1 parts have a reference but no decision, e.g. '3'",)


def test_reference_file_that_contradicts_itself_is_refused(tmp_path: Path):
    (tmp_path / "truth.csv").write_text("part,reference\n1,good\n1,defect\n2,perhaps\n")

    with pytest.raises(DataError, match=r"row 3: part '1' has two references\n.*row 4: the reference must be good or"):
        read(tmp_path, WHOLE, reference=tmp_path / "truth.csv")


def test_reference_file_that_contradicts_the_sheet_is_refused(tmp_path: Path):
    (tmp_path / "truth.csv").write_text("part,reference\n1,defect\n2,defect\n")

    with pytest.raises(DataError, match=r"part '1' has two references: defect \(the list of references\), good"):
        read(tmp_path, WHOLE, reference=tmp_path / "truth.csv")


def test_written_decisions_can_be_read_as_a_sheet_again_and_rechecks_counted_otherwise(tmp_path: Path):
    content = HEAD + "1,Anna,1,recheck,good\n2,Anna,1,defect,defect\n1,Ben,1,good,good\n2,Ben,1,good,defect\n"
    study = read(tmp_path, content, recheck_as="defect")

    again = read(tmp_path, decisions_csv(study), recheck_as="own")

    assert again.verdicts[:, :, 0].tolist() == [[Verdict.RECHECK, Verdict.REJECT], [Verdict.GOOD, Verdict.GOOD]]
    assert np.array_equal(again.rechecked, study.rechecked)
    assert np.array_equal(again.is_defect, study.is_defect)


def test_template_filled_in_is_a_study(tmp_path: Path):
    write_template(tmp_path / "new", 4, 2, ["Anna", "Jörg"], seed=1, language="de")
    for path in (tmp_path / "new").glob("*.csv"):
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        path.write_text("\n".join([lines[0], *(line + "gut" for line in lines[1:])]), encoding="utf-8-sig")

    study = read_study([tmp_path / "new"], progress=lambda *_: None)

    assert (study.parts, study.appraisers, study.runs) == (("1", "2", "3", "4"), ("Anna", "Jörg"), ("1", "2"))


def test_template_orders_differ_by_appraiser_and_run_and_are_the_same_for_the_same_seed(tmp_path: Path):
    def orders(folder: Path, seed: int) -> list[list[str]]:
        write_template(folder, 12, 2, ["Anna", "Ben"], seed=seed, language="en")
        sheets = sorted(path for path in folder.glob("*.csv") if path.name != "reference.csv")
        return [[line.split(",")[0] for line in path.read_text().splitlines()[1:]] for path in sheets]

    first, same, other = orders(tmp_path / "a", 7), orders(tmp_path / "b", 7), orders(tmp_path / "c", 8)

    assert len({tuple(order) for order in first}) == 4
    assert first == same != other
    assert all(sorted(order, key=int) == [str(n) for n in range(1, 13)] for order in first)


def test_template_shows_no_reference_to_the_appraisers(tmp_path: Path):
    write_template(tmp_path / "new", 3, 1, ["Anna"], seed=0, language="en")

    sheet = (tmp_path / "new" / "Anna-run-1.csv").read_text(encoding="utf-8-sig")

    assert sheet.splitlines()[0] == "part,appraiser,run,verdict"


@pytest.mark.parametrize(
    ("parts", "runs", "appraisers", "problem"),
    [
        (1, 3, ["Anna"], "a study needs 2 to 10000 parts and at least 1 run, got 1 and 3"),
        (50, 0, ["Anna"], "got 50 and 0"),
        (50, 3, [], r"every appraiser needs a name of his own, got none \(--appraiser\)"),
        (50, 3, ["Anna", "anna"], "every appraiser needs a name of his own, got Anna, anna"),
    ],
    ids=["one-part", "no-run", "nobody", "same-name"],
)
def test_template_that_makes_no_study_is_refused(
    tmp_path: Path, parts: int, runs: int, appraisers: list[str], problem: str
):
    with pytest.raises(DataError, match=problem):
        write_template(tmp_path / "new", parts, runs, appraisers, seed=0, language="en")


def test_template_never_overwrites_sheets(tmp_path: Path):
    write_template(tmp_path / "new", 3, 1, ["Anna"], seed=0, language="en")

    with pytest.raises(DataError, match="is there already and may hold decisions; name a new folder"):
        write_template(tmp_path / "new", 3, 1, ["Anna"], seed=0, language="en")
