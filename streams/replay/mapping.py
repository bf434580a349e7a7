"""Render the rows of a table as authorization events and fraud reports."""

from fractions import Fraction
from hashlib import blake2b
from itertools import repeat

import numpy as np
import orjson
from numpy.typing import NDArray

from scoring.outputs import Record
from streams.replay.columns.declared import Mapping
from streams.replay.columns.rows import Rows

_LETTERS = str.maketrans("0123456789", "ghijklmnop")


class Renderer:
    """Render rows as `auth.event.v1` and `label.v1`: text templates with values.

    A field that the contract requires and the table lacks becomes "unknown" or "other"; other fields are left out. Card
    ids become keyed hashes. At most `cards_max` tokens are cached.
    """

    def __init__(self, mapping: Mapping, *, id_prefix: str = "", jpy_per_unit: float | None = None) -> None:
        self._mapping = mapping
        self._prefix = id_prefix
        self._jpy_per_minor = mapping.jpy_per_minor(jpy_per_unit)
        self._unit = "s" if mapping.time.unit == "seconds" else "ms"
        self._tokens: dict[int | str, tuple[bytes, str]] = {}
        self._shops: dict[int | str, str] = {}
        self._places = {column: told for column, told in mapping.told.items() if told.column is not None}

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
            self._yen(rows.amount_minor),
            self._middles(rows),
            self._tails(rows),
            strict=False,  # the last two may be endless
        )
        for row, time, card, merchant, amount, jpy, middle, tail in columns:
            key, token = tokens.get(card) or token_of(card)
            text = (
                f'{head}{row}","event_ts":"{time}Z",{shop}{merchant}{middle}{token}{tail}{amount}{jpy}'
                '},"outcome":{"phase":"PRE_AUTH"}}'
            )
            out.append((key, text.encode()))
        return out

    def report(self, row: int, card: int | str, merchant: int | str, received_ms: int) -> Record:
        """Return (card token, fraud report) of one row, received at `received_ms`."""
        key, token = self._token(card)
        received = self._times(np.array([received_ms], dtype=np.int64))[0]
        text = (
            f'{{"schema_version":"label.v1","label_id":"{self._prefix}r{row}","event_id":"{self._prefix}{row}",'
            f'"acquirer_id":"{self._mapping.acquirer}","merchant_id":"{self._mapping.merchant.prefix}{self._shop(merchant)}","pan_hmac":"{token}",'
            f'"label":"FRAUD","source":"OTHER","received_ts":"{received}Z"}}'
        )
        return key, text.encode()

    def _times(self, times_ms: NDArray[np.int64]) -> list[str]:
        moments = times_ms.astype("datetime64[ms]").astype(f"datetime64[{self._unit}]")
        texts: list[str] = np.datetime_as_string(moments).tolist()
        return texts

    def _merchants(self, rows: Rows) -> list[int] | list[str]:
        if self._mapping.merchant.type == "integer" and not self._mapping.merchant.hashed:
            return rows.merchant
        shops, shop_of = self._shops, self._shop
        return [shops.get(merchant) or shop_of(merchant) for merchant in rows.merchant]

    def _middles(self, rows: Rows) -> "repeat[str] | list[str]":
        """Return the text between merchant id and card token."""
        if not {"mcc", "country"} & self._places.keys():
            mcc, country = self._mapping.mcc.constant, self._mapping.country.constant
            return repeat(f'","mcc":"{mcc}","country":"{country}"}},"card":{{"pan_hmac":"')
        columns = zip(self._told(rows, "mcc"), self._told(rows, "country"), rows.card, strict=False)
        return [f'","mcc":"{mcc}","country":"{country}"}},"card":{{"pan_hmac":"' for mcc, country, _ in columns]

    def _tails(self, rows: Rows) -> "repeat[str] | list[str]":
        """Return the text between card token and amount."""
        amount = self._mapping.amount
        money = f'"amount":{{"currency":"{amount.currency}","exponent":{amount.exponent},"minor":'
        text = '","network":"%s"},"txn":{"type":"purchase","channel":"%s","initiator":"CIT"},' + money
        if not {"network", "channel"} & self._places.keys():
            return repeat(text % (self._mapping.network.constant, self._mapping.channel.constant))
        columns = zip(self._told(rows, "network"), self._told(rows, "channel"), rows.card, strict=False)
        return [text % (network, channel) for network, channel, _ in columns]

    def _told(self, rows: Rows, field: str) -> "repeat[str | None] | list[str]":
        return rows.told[field] if field in rows.told else repeat(self._mapping.told[field].constant)

    def _yen(self, amounts: NDArray[np.int64]) -> list[str]:
        """Return the yen of each amount, rounded half up from the exact product."""
        rate: Fraction = self._jpy_per_minor
        if rate == 0:
            return [""] * len(amounts)
        times, by = 2 * rate.numerator, 2 * rate.denominator
        if len(amounts) and int(np.abs(amounts).max()) < (2**62) // times:
            yen = ((amounts * times + rate.denominator) // by).tolist()
        else:
            yen = [(amount * times + rate.denominator) // by for amount in amounts.tolist()]
        return [f',"jpy":{one}' for one in yen]

    def _shop(self, merchant: int | str, shops_max: int = 1_000_000) -> str:
        """Return a merchant's id without its prefix, escaped for JSON."""
        text = self._letters(str(merchant))[:22] if self._mapping.merchant.hashed else str(merchant)
        if len(self._shops) >= shops_max:
            self._shops.clear()
        made = self._shops[merchant] = orjson.dumps(text).decode()[1:-1]
        return made

    def _token(self, card: int | str, cards_max: int = 1_000_000) -> tuple[bytes, str]:
        """Hash a card id with the acquirer as key. The token has only letters, so it cannot look like a card number."""
        token = self._letters(str(card))
        if len(self._tokens) >= cards_max:
            self._tokens.clear()
        made = self._tokens[card] = (token.encode(), token)
        return made

    def _letters(self, text: str) -> str:
        digest = blake2b(text.encode(), key=self._mapping.acquirer.encode(), digest_size=16).hexdigest()
        return digest.translate(_LETTERS)
