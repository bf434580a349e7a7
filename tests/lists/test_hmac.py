"""`sekisho lists hmac`: its values hit the events that carry them, and no value in clear is ever told."""

import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.decode import DecodeLimits, decode
from scoring.lists import KINDS, ListReader, ListTable
from streams.cli import main
from streams.cli.lists.clear import CLEAR_KINDS, ClearValueError, Hasher, normal_form
from tests.events import encoded
from tests.examples import examples
from tests.lists.oracle import PATHS

KEY = "a key of sixteen bytes or more"
END = "2027-01-01T00:00:00+09:00"
NOW_MS = 1_777_604_400_000
PAGE = Path(__file__).parents[2] / "deploy/docs/how-to/lists.md"
SAME = {  # spellings of one value of each kind, the normal form first
    "card": ("6200000000000005", "6200 0000 0000 0005", " 6200-0000-0000-0005\t", "６２０００００００００００００５"),
    "device": ("Fp-9f86d081", " Fp-9f86d081 "),
    "email": ("taro@example.jp", "Taro@Example.JP", "\u3000ｔａｒｏ@example.jp"),
    "ip": ("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.7 "),
    "ip_network": ("192.0.2.0/24", "192.0.2.7", "::ffff:192.0.2.9", "192.0.2.0/24"),
    "account": ("Member-7", "Member-7 "),
    "address": ("1-1 chiyoda, tokyo 100-0001", "1-1  Chiyoda,\tTokyo 100-0001", "１-１ CHIYODA, Tokyo 100-0001"),
}
REFUSED = {
    "card": (
        "62000000000",
        "6200000000000006",
        "6200x00000000000",
        "62000000000000000000",
        "123456",
        "٦٢٠٠٠٠٠٠٠٠٠٠٠٠٠٥",
    ),
    "email": ("taro", "@example.jp", "taro@", "a@b@c", "Taro <taro@example.jp>", "ta ro@example.jp"),
    "ip": ("192.0.2.256", "no-host", "192.0.2.0/24", "fe80::1%eth0", "192.0.2"),
    "ip_network": ("192.0.2.0/16", "192.0.2.1/24", "192.0.2.0/25", "2001:db8::/32", "no-net"),
    "device": ("", "   "),
}


def hmac_of(text: str, key: bytes = KEY.encode()) -> str:
    """HMAC-SHA256 as RFC 2104 writes it."""
    key = hashlib.sha256(key).digest() if len(key) > 64 else key
    key = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + text.encode()).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).hexdigest()


class Run:
    """What a run of the command left."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Any:
    def ran(text: str | bytes, *words: str, key: str = KEY) -> Run:
        given = text.encode() if isinstance(text, str) else text
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given)))
        monkeypatch.setenv("SEKISHO_LIST_KEY", key)
        status = main(["lists", "hmac", "--to", END, "--key-env", "SEKISHO_LIST_KEY", *words])
        out, err = capfdbinary.readouterr()
        return Run(status, out.decode(), err.decode())

    return ran


@pytest.mark.parametrize("kind", SAME)
def test_every_spelling_of_a_value_hits_the_event_that_carries_its_hash(kind: str, run: Any) -> None:
    normal, *others = SAME[kind]
    for spelling in (normal, *others):
        made = run(f"{spelling}\n", "--kind", kind)
        assert (made.status, made.err) == (0, "")
        assert made.out == f"value,effective_to\n{hmac_of(normal)},{END}\n"
        table = ListTable()
        ListReader(table, 0, kind, None).feed(made.out.encode(), is_last=True)
        section, field = PATHS[kind]
        values = [
            encoded(event_id=f"e-{k}", **{section: {field: hmac_of(text)}}) for k, text in enumerate((normal, "x"))
        ]
        events = decode(values, DecodeLimits())
        assert table.find(events.ints, events.hashes, events.ints[:, 0] * 0 + NOW_MS).tolist() == [[0, 0]]


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in REFUSED.items() for value in values])
def test_a_bad_line_is_refused_with_its_number_and_nothing_is_written(kind: str, value: str, run: Any) -> None:
    good = SAME[kind][0]
    made = run(f"{good}\n{value}\n{good}\n", "--kind", kind)
    assert (made.status, made.out) == (1, "")
    first, last = made.err.splitlines()
    assert first.startswith("sekisho lists hmac: line 2: the value ")
    assert last == "sekisho lists hmac: nothing was written"
    for said in (value, good):
        assert not said.strip() or said.strip() not in first.removeprefix("sekisho lists hmac: line 2: ")


@settings(max_examples=examples(60), deadline=None)
@given(st.sampled_from(CLEAR_KINDS), st.text(alphabet="ab@.:/1234567890-é\u3000 ", min_size=6, max_size=40))
def test_a_refusal_never_holds_the_value(kind: str, text: str) -> None:
    try:
        said = normal_form(kind, text)
    except ClearValueError as error:
        said = str(error).replace(text.strip(), "LEAKED")
    assert "LEAKED" not in said


@settings(max_examples=examples(60), deadline=None)
@given(st.sampled_from(CLEAR_KINDS), st.data())
def test_a_normal_form_is_its_own_normal_form(kind: str, data: st.DataObject) -> None:
    normal = normal_form(kind, data.draw(st.sampled_from(SAME[kind])))
    assert normal_form(kind, normal) == normal == SAME[kind][0]


def test_kinds_are_all_but_those_that_events_carry_in_clear() -> None:
    assert set(KINDS) - set(CLEAR_KINDS) == {"bin", "merchant"}


def test_only_the_first_faults_are_told_and_all_are_counted(run: Any) -> None:
    made = run("x\n" * 35, "--kind", "card")
    assert made.err.count("is no card number") == 20
    assert made.err.endswith("and 15 more lines\nsekisho lists hmac: nothing was written\n")


def test_a_line_beyond_the_limit_is_one_fault_and_the_next_keeps_its_number(run: Any) -> None:
    made = run("a" * 20_000 + "\n\n", "--kind", "account")
    assert "line 1: the value has more than 1,024 bytes" in made.err
    assert "line 2: the value is blank" in made.err
    assert "line 3" not in made.err


def test_a_period_has_its_beginning_and_a_list_can_be_appended_to(run: Any) -> None:
    begins = "2026-06-01T00:00:00Z"
    made = run("a\nb", "--kind", "account", "--from", begins)
    assert made.out.splitlines() == [
        "value,effective_to,effective_from",
        *(f"{hmac_of(v)},{END},{begins}" for v in "ab"),
    ]
    assert run("a\n", "--kind", "account", "--no-header").out == f"{hmac_of('a')},{END}\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--to", "2027-01-01"), "--to: is no time: write a time of RFC 3339"),
        (("--from", "soon"), "--from: is no time: write a time of RFC 3339"),
        (("--from", "2028-01-01T00:00:00Z"), "--to: must be after effective_from"),
        (("--key-hex",), "the key is not hexadecimal"),
    ],
)
def test_wrong_options_end_with_2(words: tuple[str, ...], told: str, run: Any) -> None:
    made = run("a\n", "--kind", "account", *words)
    assert (made.status, made.out) == (2, "")
    assert made.err.startswith(f"sekisho lists hmac: {told}")
    assert KEY not in made.err


def test_a_short_or_missing_key_is_refused(run: Any) -> None:
    assert run("a\n", "--kind", "account", key="0123456789abcde").err.startswith(
        "sekisho lists hmac: the key has less than 16 bytes"
    )
    assert run("a\n", "--kind", "account", key="").status == 3
    assert run("a\n", "--kind", "account", "--key-hex", key="ab" * 15).status == 2


def test_a_key_may_be_hexadecimal_or_in_a_file(run: Any, tmp_path: Path) -> None:
    made = run("a\n", "--kind", "account", "--key-hex", "--no-header", key=KEY.encode().hex())
    assert made.out == f"{hmac_of('a')},{END}\n"
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "values").write_text("a\n")
    words = ["--kind", "account", "--to", END, "--key-file", str(tmp_path / "key"), "--no-header"]
    output = tmp_path / "banned.csv"
    assert main(["lists", "hmac", *words, "--output", str(output), str(tmp_path / "values")]) == 0
    assert output.read_text() == f"{hmac_of('a')},{END}\n"
    (tmp_path / "values").write_text("b\n\n")
    assert main(["lists", "hmac", *words, "--output", str(output), str(tmp_path / "values")]) == 1
    assert output.read_text() == f"{hmac_of('a')},{END}\n"
    assert {file.name for file in tmp_path.iterdir()} == {"key", "values", "banned.csv"}


def test_exact_hashes_the_line_as_it_is(run: Any) -> None:
    assert run(b" A\xff\r\n", "--kind", "card", "--exact", "--no-header").status == 0
    assert run(" A b\r\n", "--kind", "card", "--exact", "--no-header").out == f"{hmac_of(' A b')},{END}\n"
    assert "line 1: the value is not text in UTF-8" in run(b"A\xff\n", "--kind", "account").err


def test_encodings_are_of_the_same_bytes() -> None:
    hexed, plain, url = (Hasher("account", KEY.encode(), each).value(b"k") for each in ("hex", "base64", "base64url"))
    assert hexed == hmac_of("k")
    assert len(plain) == len(url) == 44
    assert plain.translate(str.maketrans("+/", "-_")) == url
    assert base64.b64decode(plain).hex() == hexed


def test_a_list_that_a_worker_would_refuse_is_not_written(run: Any) -> None:
    made = run("a\n" * 17, "--kind", "account")
    assert (made.status, made.out) == (2, "")
    assert (
        "nothing was written, because a worker would refuse the list: lines 2 to 18: value: stands in more" in made.err
    )
    assert run("", "--kind", "account").err == "sekisho lists hmac: no values: write one a line\n"


def test_the_vectors_of_the_page_are_true() -> None:
    rows = [line.split("|") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    vectors = {row[1].strip(" `"): [cell.strip(" `") for cell in row[2:5]] for row in rows if len(row) == 6}
    assert set(vectors) == set(CLEAR_KINDS)
    for kind, (clear, normal, hashed) in vectors.items():
        assert normal_form(kind, clear) == normal
        assert hmac_of(normal, b"an example, not a key") == hashed
