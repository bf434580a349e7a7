"""Which column of a table says what, and the authorization events that follow from it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from scoring.outputs import Record

UNKNOWN_MCC = "0000"  # ISO 18245 assigns no such category: it reads as unknown
UNKNOWN_COUNTRY = "ZZ"  # ISO 3166-1 leaves it to its users, who take it for "unknown"

_LETTERS = str.maketrans("0123456789", "ghijklmnop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Say where a table keeps what an event needs.

    `time_s` counts seconds since `epoch`; `amount_minor` minor units of `currency`; `label` is 0 for genuine.
    `jpy_per_unit` is a fixed rate that makes amounts comparable with the limits of the features, not a market's.
    """

    name: str
    epoch: datetime
    time_s: str
    card: str
    merchant: str
    amount_minor: str
    label: str | None
    currency: str
    exponent: int
    jpy_per_unit: float

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to be read."""
        named = (self.time_s, self.card, self.merchant, self.amount_minor)
        return named if self.label is None else (*named, self.label)


HANDBOOK = Mapping(
    name="handbook",  # the Fraud Detection Handbook's simulated stream (Le Borgne et al., 2022)
    epoch=datetime(2018, 4, 1, tzinfo=UTC),
    time_s="t",
    card="customer",
    merchant="terminal",
    amount_minor="amount_cents",
    label="scenario",
    currency="EUR",
    exponent=2,
    jpy_per_unit=130.0,
)

MAPPINGS = {mapping.name: mapping for mapping in (HANDBOOK,)}


class Renderer:
    """Turn rows into the bytes of `auth.event.v1` and `label.v1`: ready-made text with the values put in.

    A table knows neither merchant category nor country, network, channel or answer: what the contract requires
    says "unknown" or "other", everything else is left out. Cards become keyed hashes. At most `cards_max` tokens
    are kept; beyond that they are computed again.
    """

    def __init__(self, mapping: Mapping, *, id_prefix: str = "", jpy_per_unit: float | None = None) -> None:
        self._mapping = mapping
        self._prefix = id_prefix
        self._rate = mapping.jpy_per_unit if jpy_per_unit is None else jpy_per_unit
        self._epoch = np.datetime64(mapping.epoch.replace(tzinfo=None), "s")
        self._tokens: dict[int, tuple[bytes, str]] = {}
        self._tail = (
            f'"network":"other"}},"txn":{{"type":"purchase","channel":"other","initiator":"CIT"}},'
            f'"amount":{{"currency":"{mapping.currency}","exponent":{mapping.exponent},"minor":'
        )

    def events(self, first: int, columns: dict[str, NDArray[np.int64]]) -> list[Record]:
        """Return (card token, event) of each row; ids are `id_prefix` and the row number, from `first`."""
        mapping = self._mapping
        times = self._times(columns[mapping.time_s])
        cards = columns[mapping.card].tolist()
        merchants = columns[mapping.merchant].tolist()
        amounts = columns[mapping.amount_minor].tolist()
        yen = self._yen(columns[mapping.amount_minor])
        head = f'{{"schema_version":"auth.event.v1","event_id":"{self._prefix}'
        shop = f'"acquirer":{{"id":"{mapping.name}"}},"merchant":{{"id":"m'
        place = f'","mcc":"{UNKNOWN_MCC}","country":"{UNKNOWN_COUNTRY}"}},"card":{{"pan_hmac":"'
        tail, tokens, token_of = self._tail, self._tokens, self._token
        out = []
        rows = zip(times, cards, merchants, amounts, yen, strict=True)
        for row, (time, card, merchant, amount, jpy) in enumerate(rows, start=first):
            key, token = tokens.get(card) or token_of(card)
            text = (
                f'{head}{row}","event_ts":"{time}Z",{shop}{merchant}{place}{token}",{tail}{amount}{jpy}'
                '},"outcome":{"phase":"PRE_AUTH"}}'
            )
            out.append((key, text.encode()))
        return out

    def times_ms(self, columns: dict[str, NDArray[np.int64]]) -> list[int]:
        """Return the time of each row's event, in milliseconds since the Unix epoch."""
        times: list[int] = (self._epoch.astype(np.int64) * 1000 + columns[self._mapping.time_s] * 1000).tolist()
        return times

    def report(self, row: int, card: int, merchant: int, received_s: int) -> Record:
        """Return (card token, fraud report) of one row, received at `received_s`."""
        key, token = self._token(card)
        received = self._times(np.array([received_s], dtype=np.int64))[0]
        text = (
            f'{{"schema_version":"label.v1","label_id":"{self._prefix}r{row}","event_id":"{self._prefix}{row}",'
            f'"acquirer_id":"{self._mapping.name}","merchant_id":"m{merchant}","pan_hmac":"{token}","label":"FRAUD",'
            f'"source":"OTHER","received_ts":"{received}Z"}}'
        )
        return key, text.encode()

    def _times(self, seconds: NDArray[np.int64]) -> list[str]:
        texts: list[str] = np.datetime_as_string(self._epoch + seconds.astype("timedelta64[s]")).tolist()
        return texts

    def _yen(self, amounts: NDArray[np.int64]) -> list[str]:
        if self._rate == 0:
            return [""] * len(amounts)
        per_minor = self._rate / 10**self._mapping.exponent
        return [f',"jpy":{yen}' for yen in np.floor(amounts * per_minor + 0.5).astype(np.int64).tolist()]

    def _token(self, card: int, cards_max: int = 1_000_000) -> tuple[bytes, str]:
        """Hash a card with the mapping's name as key; in letters only, so that no token can look like a card number."""
        digest = blake2b(str(card).encode(), key=self._mapping.name.encode(), digest_size=16).hexdigest()
        token = digest.translate(_LETTERS)
        if len(self._tokens) >= cards_max:
            self._tokens.clear()
        made = self._tokens[card] = (token.encode(), token)
        return made
