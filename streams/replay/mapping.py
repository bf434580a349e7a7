"""Render the rows of a table as authorization events and fraud reports."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import repeat

import numpy as np
import orjson
from numpy.typing import NDArray

from scoring.outputs import Record
from streams.replay.columns.amount import exponent_of
from streams.replay.columns.declared import Mapping, Outcome
from streams.replay.columns.fields import DEFAULTS
from streams.replay.columns.masters import Master
from streams.replay.columns.reported import Report
from streams.replay.columns.rows import Rows
from streams.replay.columns.tokens import token
from streams.replay.source import APPROVED

_DEFAULTS = {path: f'"{value}"' for path, value in DEFAULTS.items()}
_REQUIRED = frozenset({"merchant", "card", "txn", "outcome"})
"""Sections that every event has. The others are written only where they have a field."""


class Renderer:
    """Render rows as `auth.event.v1` and `label.v1`: text templates with values.

    A field that the contract requires and the table lacks becomes "unknown" or "other"; other fields are left out. Card
    ids become keyed hashes. At most `cards_max` tokens are cached.
    """

    def __init__(self, mapping: Mapping, *, id_prefix: str = "", jpy_per_unit: float | None = None) -> None:
        self._mapping = mapping
        self._prefix = id_prefix
        self._jpy_per_unit = jpy_per_unit
        self._unit = "s" if mapping.time.unit == "seconds" else "ms"
        self._tokens: dict[int | str, tuple[bytes, str]] = {}
        self._shops: dict[int | str, str] = {}
        self._constants = dict(_DEFAULTS)
        self._sections: dict[str, list[str]] = {}
        for path, (field, told) in mapping.by_path.items():
            if told.constant is not None:
                text = token(told.constant, mapping.acquirer) if field.is_token else told.constant
                self._constants[path] = field.json(text).decode()
            if path not in _DEFAULTS:
                self._sections.setdefault(field.section, []).append(path)

    def events(self, rows: Rows) -> list[Record]:
        """Return (card token, event) of each row; ids are `id_prefix` and the row number."""
        mapping = self._mapping
        head = f'{{"schema_version":"auth.event.v1","event_id":"{self._prefix}'
        shop = f'"acquirer":{{"id":"{mapping.acquirer}"}},"merchant":{{"id":"{mapping.merchant.prefix}'
        tokens, token_of = self._tokens, self._token
        out = []
        columns = zip(
            rows.numbers.tolist(),
            self._times(rows.time_ms),
            rows.card,
            self._merchants(rows),
            rows.amount_minor.tolist(),
            self._yen(rows),
            self._middles(rows),
            self._tails(rows),
            self._ends(rows),
            strict=False,  # the last three may be endless
        )
        for row, time, card, merchant, amount, jpy, middle, tail, end in columns:
            key, text_of_card = tokens.get(card) or token_of(card)
            text = (
                f'{head}{row}","event_ts":"{time}Z",{shop}{merchant}{middle}{text_of_card}{tail}{amount}{jpy}'
                f'}}{end},"outcome":{{"phase":"PRE_AUTH"}}}}'
            )
            out.append((key, text.encode()))
        return out

    def answers(self, rows: Rows) -> list[bytes]:
        """Return the issuer's answer of each row as the end of its event, or nothing where it is not known."""
        outcome = self._mapping.outcome
        if not isinstance(outcome, Outcome):
            return [APPROVED if outcome == "approved" else b""] * len(rows.numbers)
        told = [rows.told[path] for path, one in outcome.told.items() if one.column is not None]
        answered = [any(cells) for cells in zip(*told, strict=True)]
        texts = _joined(['"outcome":{"phase":"POST_AUTH"', *self._pieces(rows, "outcome"), "}}"])
        return [text.encode() if is_known else b"" for text, is_known in zip(texts, answered, strict=False)]

    def report(self, row: int, card: int | str, merchant: int | str, received_ms: int, report: Report | None) -> Record:
        """Return (card token, report) on one row, received at `received_ms`: as the table of reports says, or FRAUD."""
        key, text_of_card = self._token(card)
        unit = self._unit if report is None else "ms"
        received = str(np.datetime_as_string(np.datetime64(received_ms, "ms").astype(f"datetime64[{unit}]")))
        number, said = f"r{row}", '"FRAUD","source":"OTHER"'
        if report is not None:
            code = f',"code":{report.code}' if report.code else ""
            number, said = f"q{report.row}", f'{report.label},"source":{report.source}{code}'
        text = (
            f'{{"schema_version":"label.v1","label_id":"{self._prefix}{number}","event_id":"{self._prefix}{row}",'
            f'"acquirer_id":"{self._mapping.acquirer}","merchant_id":"{self._mapping.merchant.prefix}{self._shop(merchant)}","pan_hmac":"{text_of_card}",'
            f'"label":{said},"received_ts":"{received}Z"}}'
        )
        return key, text.encode()

    def master(self, master: Master) -> Record:
        """Return (acquirer and merchant, record) of a merchant, as the topic of merchants has them."""
        acquirer = self._mapping.acquirer
        text = (
            f'"acquirer_id":"{acquirer}","merchant_id":"{self._mapping.merchant.prefix}{self._shop(master.merchant)}"'
        )
        body = f'{{"schema_version":"merchant.v1",{text}}}'.encode()
        key = f"{acquirer}/{orjson.loads(body)['merchant_id']}".encode()
        return key, body[:-1] + (b"," + master.fields[1:] if master.fields != b"{}" else b"}")

    def _times(self, times_ms: NDArray[np.int64]) -> list[str]:
        moments = times_ms.astype("datetime64[ms]").astype(f"datetime64[{self._unit}]")
        texts: list[str] = np.datetime_as_string(moments).tolist()
        return texts

    def _merchants(self, rows: Rows) -> list[int] | list[str]:
        if self._mapping.merchant.type == "integer" and not self._mapping.merchant.hashed:
            return rows.merchant
        shops, shop_of = self._shops, self._shop
        return [shops.get(merchant) or shop_of(merchant) for merchant in rows.merchant]

    def _middles(self, rows: Rows) -> Iterator[str]:
        """Yield the text between merchant id and card token of each row."""
        mcc, country = self._told(rows, "mcc"), self._told(rows, "country")
        more = self._pieces(rows, "merchant")
        return _joined(['","mcc":"', mcc, '","country":"', country, '"', *more, '},"card":{"pan_hmac":"'])

    def _tails(self, rows: Rows) -> Iterator[str]:
        """Yield the text between card token and amount of each row."""
        one = self._mapping.amount.currency
        money = _money(one) if isinstance(one, str) else [_money(code) for code in rows.currency]
        kind, channel, initiator = (self._told(rows, name) for name in ("txn.type", "channel", "txn.initiator"))
        parts: list[str | list[str]] = ['","network":"', self._told(rows, "network"), '"', *self._pieces(rows, "card")]
        parts += ['},"txn":{"type":', kind, ',"channel":"', channel, '","initiator":', initiator]
        return _joined([*parts, *self._pieces(rows, "txn"), "},", money])

    def _ends(self, rows: Rows) -> Iterator[str]:
        """Yield the optional sections of each row."""
        parts: list[str | list[str]] = []
        for section in sorted(self._sections.keys() - _REQUIRED):
            pieces = self._pieces(rows, section)
            if all(isinstance(piece, str) for piece in pieces):
                parts.append(_section(section, "".join(map(str, pieces))))
            else:
                parts.append([_section(section, text) for text in _joined(pieces)])
        return _joined(parts)

    def _pieces(self, rows: Rows, section: str) -> list[str | list[str]]:
        """Return the fields of a section: text with a comma before each, or a text for each row, "" for a blank."""
        pieces: list[str | list[str]] = []
        for path in self._sections.get(section, ()):
            name = path.partition(".")[2]
            if path in rows.told:
                pieces.append([f',"{name}":{text}' if text else "" for text in rows.told[path]])
            else:
                pieces.append(f',"{name}":{self._constants[path]}')
        return pieces

    def _told(self, rows: Rows, field: str) -> str | list[str]:
        if field in rows.told:
            default = _DEFAULTS.get(field)
            return rows.told[field] if default is None else [text or default for text in rows.told[field]]
        return self._constants[field] if field in self._constants else str(self._mapping.told[field].constant)

    def worths(self, rows: Rows) -> NDArray[np.int64]:
        """Return what each amount counts beside the others, int64[n]: minor units, or yen if currencies differ.

        An amount in a currency without a rate counts 0.
        """
        if not rows.currency:
            return rows.amount_minor
        return np.array([int(yen or 0) for yen in self._by_currency(rows, {"JPY": Fraction(1)})], np.int64)

    def _yen(self, rows: Rows) -> list[str]:
        return [f',"jpy":{yen}' if yen else "" for yen in self._by_currency(rows, {})]

    def _by_currency(self, rows: Rows, known: dict[str, Fraction]) -> list[str]:
        """Return the yen of each amount, "" without a rate. `known`: rates of minor units before the declared ones."""
        declared = self._mapping.amount
        if isinstance(declared.currency, str):
            return _yen(rows.amount_minor, declared.jpy_per_minor(declared.currency, self._jpy_per_unit))
        out = [""] * len(rows.currency)
        codes = np.array(rows.currency)
        for code in sorted(set(rows.currency)):
            places = np.flatnonzero(codes == code)
            rate = known.get(code) or declared.jpy_per_minor(code)
            for place, yen in zip(places.tolist(), _yen(rows.amount_minor[places], rate), strict=True):
                out[place] = yen
        return out

    def _shop(self, merchant: int | str, shops_max: int = 1_000_000) -> str:
        """Return a merchant's id without its prefix, escaped for JSON."""
        text = token(str(merchant), self._mapping.acquirer)[:22] if self._mapping.merchant.hashed else str(merchant)
        if len(self._shops) >= shops_max:
            self._shops.clear()
        made = self._shops[merchant] = orjson.dumps(text).decode()[1:-1]
        return made

    def _token(self, card: int | str, cards_max: int = 1_000_000) -> tuple[bytes, str]:
        """Hash a card id with the acquirer as key. The token has only letters, so it cannot look like a card number."""
        made = token(str(card), self._mapping.acquirer)
        if len(self._tokens) >= cards_max:
            self._tokens.clear()
        pair = self._tokens[card] = (made.encode(), made)
        return pair


def _money(currency: str) -> str:
    return f'"amount":{{"currency":"{currency}","exponent":{exponent_of(currency)},"minor":'


def _yen(amounts: NDArray[np.int64], rate: Fraction) -> list[str]:
    """Return the yen of each amount, rounded half up from the exact product; "" without a rate."""
    if rate == 0:
        return [""] * len(amounts)
    times, by = 2 * rate.numerator, 2 * rate.denominator
    if len(amounts) and int(np.abs(amounts).max()) < (2**62) // times:
        yen = ((amounts * times + rate.denominator) // by).tolist()
    else:
        yen = [(amount * times + rate.denominator) // by for amount in amounts.tolist()]
    return list(map(str, yen))


def _section(name: str, fields: str) -> str:
    return f',"{name}":{{{fields[1:]}}}' if fields else ""


def _joined(parts: Iterable[str | list[str]]) -> Iterator[str]:
    """Join texts and columns of texts row by row. Endless if there is no column."""
    listed = list(parts)
    constants = [part for part in listed if isinstance(part, str)]
    if len(constants) == len(listed):
        return repeat("".join(constants))
    columns = [repeat(part) if isinstance(part, str) else part for part in listed]
    return map("".join, zip(*columns, strict=False))
