"""The page of 3-D Secure lists every rule and every file of the dated tables."""

from pathlib import Path

from scoring.reference.threeds import RECORDS, reference
from scoring.reference.threeds_page import CONDITIONS, markdown

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_has_the_content_of_the_files() -> None:
    assert (ROOT / "deploy" / "docs" / "threeds.md").read_text(encoding="utf-8") == markdown()


def test_every_rule_has_a_line_with_its_text_and_whether_it_is_active() -> None:
    lines = {line.split(" | ")[0].strip("| "): line for line in markdown().splitlines() if line.startswith("| TDS")}
    assert set(lines) == set(CONDITIONS) == {row.id for row in reference().rules}
    for row in reference().rules:
        cells = [cell.strip() for cell in lines[row.id].strip("|").split(" | ")]
        assert cells[1:3] == [f"`{row.code}`", CONDITIONS[row.id]]
        assert cells[3].startswith(row.severity)
        assert cells[4].startswith("yes" if row.active else "no")
    assert all(f"`threeds_{name}.yaml`" in markdown() for name in RECORDS)
