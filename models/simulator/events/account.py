"""What a merchant says of the shopper's account: the indicators of EMV 3DS acctInfo, and the use of the address.

Each is optional, and few merchants send them. Good customers change passwords and addresses as well: the rates here are
assumptions. An account's data changes once in two years on average: a new card on file every four years (cards are
issued for three to five), a move every 24 years (5.3 million moves in 2023 among 124 million inhabitants, Statistics
Bureau of Japan), and other addresses and telephone numbers. A password changes once in two and a half years, mostly
because it was forgotten, hence just before a purchase.
"""

from typing import Final

import numpy as np

from models.simulator.events.rows import Rows
from models.simulator.world import World
from models.simulator.world import tables as t
from models.simulator.world.draw import Ints, Mask, chance, mixed

GUEST, CREATED, MONTH, TWO_MONTHS, OLD = range(1, 6)
"""chAccAgeInd: none, created with this payment, under 30 days, 30 to 60 days, over 60 days."""

NOW, DAYS_30, DAYS_60, LONGER = range(1, 5)
"""chAccChangeInd and shipAddressUsageInd: with this payment, under 30 days ago, 30 to 60 days ago, over 60 days ago."""

NEVER = 1
"""chAccPwChangeInd: no change. Its other codes are those of chAccChangeInd plus one."""

QUIET, SUSPICIOUS = 1, 2

FIELDS: Final = ("account_change", "password_change", "suspicious", "address_usage")

CHANGES: Final = ((NOW, 15), (DAYS_30, 40), (DAYS_60, 39), (LONGER, 906))
PASSWORDS: Final = ((NEVER, 632), (NOW + 1, 10), (DAYS_30 + 1, 32), (DAYS_60 + 1, 31), (LONGER + 1, 295))
ALARMS: Final = ((QUIET, 997), (SUSPICIOUS, 3))
HOMES: Final = ((NOW, 20), (DAYS_30, 40), (DAYS_60, 20), (LONGER, 920))
OTHERS: Final = ((NOW, 45), (DAYS_30, 10), (DAYS_60, 5), (LONGER, 40))
"""Weights of the codes of a good customer's account over 60 days old: changes of its data and password, alarms of the
merchant's login measures, and uses of the own address and of others (lockers, offices, presents)."""

LOCKS_OUT: Final = 0.35
"""Share of takeovers in which the thief changes the password: an assumption. The others leave the holder's."""

CHANGES_DATA: Final = 0.5
"""Share of takeovers in which the thief changes e-mail, telephone or address of the account first: an assumption."""

ALARMED: Final = (0.05, 0.25)
"""Share of takeovers that the merchant notices but lets pay, without and with measures against illegal login."""


def fill(world: World, rng: np.random.Generator, rows: Rows) -> None:
    """Fill the indicators in place where the merchant sends them. Needs merchant, card, account, age and address."""
    sent = np.flatnonzero(world.merchants.account_info[rows["merchant"]] & (rows["account"] >= 0))
    part = rows[sent]
    n, age = sent.size, part["age_ind"]
    # nothing happened before the account was created
    oldest = np.select([age == CREATED, age == MONTH, age == TWO_MONTHS], [NOW, DAYS_30, DAYS_60], LONGER)
    part["account_change"] = np.minimum(mixed(rng, n, CHANGES), oldest)
    password = mixed(rng, n, PASSWORDS)
    part["password_change"] = np.where(password - 1 > oldest, NEVER, password)
    part["password_change"][age == CREATED] = NEVER
    part["suspicious"] = mixed(rng, n, ALARMS)
    at_home = part["address"] == world.people.person[part["card"]] // 2
    usage = np.minimum(np.where(at_home, mixed(rng, n, HOMES), mixed(rng, n, OTHERS)), oldest)
    part["address_usage"] = np.where(part["address"] >= 0, usage, -1)
    rows[sent] = part


def forget(rows: Rows, where: Ints | Mask) -> None:
    """Make the indicators absent in place."""
    for name in FIELDS:
        rows[name][where] = -1


def open_new(rows: Rows, where: Ints) -> None:
    """Make the accounts new in place, and those of guests unknown. An indicator that is not sent stays so."""
    for name, code in (("account_change", NOW), ("password_change", NEVER), ("suspicious", QUIET)):
        rows[name][where] = np.where(rows[name][where] >= 0, code, -1)
    use_first(rows, where)
    forget(rows, where[rows["account"][where] < 0])


def use_first(rows: Rows, where: Ints) -> None:
    """Make the delivery address one that the account uses for the first time, in place."""
    rows["address_usage"][where] = np.where(rows["address_usage"][where] >= 0, NOW, -1)


def take_over(world: World, rng: np.random.Generator, rows: Rows, where: Ints) -> None:
    """Change the indicators in place as one thief does in some accounts. Needs `use_first` for a new address.

    All payments of the thief are within a day or two of the login: what he changed was changed with the payment, or
    less than 30 days ago. The address of his second payment in an account is no longer new.
    """
    n = where.size
    again = np.ones(n, np.bool_)
    again[np.unique(rows["card"][where], return_index=True)[1]] = False
    moment = np.where(again | chance(rng, n, 0.4), DAYS_30, NOW)
    if rng.random() < CHANGES_DATA:
        rows["account_change"][where] = np.where(rows["account_change"][where] >= 0, moment, -1)
    if rng.random() < LOCKS_OUT:
        rows["password_change"][where] = np.where(rows["password_change"][where] >= 0, moment + 1, -1)
    usage = rows["address_usage"][where]
    rows["address_usage"][where] = np.where(again & (usage == NOW), DAYS_30, usage)
    guarded = world.merchants.items[rows["merchant"][where], 5] != t.NOT_IMPLEMENTED
    noticed = chance(rng, n, np.where(guarded, ALARMED[1], ALARMED[0])) & (rows["suspicious"][where] >= 0)
    rows["suspicious"][where] = np.where(noticed, SUSPICIOUS, rows["suspicious"][where])
