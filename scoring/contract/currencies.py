"""Currencies of ISO 4217: numeric code and minor units (the exponent) of each alphabetic code.

Precious metals, bond-market units, the test code and `XXX` are left out: they are not used for payments to merchants
(EMV 3-D Secure forbids 955 to 964 and 999 as well).
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Final

_ZERO = """
BIF 108 CLP 152 DJF 262 GNF 324 ISK 352 JPY 392 KMF 174 KRW 410 PYG 600 RWF 646 UGX 800 VND 704 VUV 548
XAF 950 XOF 952 XPF 953
"""
_TWO = """
AED 784 AFN 971 ALL 008 AMD 051 ANG 532 AOA 973 ARS 032 AUD 036 AWG 533 AZN 944 BAM 977 BBD 052 BDT 050 BGN 975
BMD 060 BND 096 BOB 068 BRL 986 BSD 044 BTN 064 BWP 072 BYN 933 BZD 084 CAD 124 CDF 976 CHF 756 CNY 156 COP 170
CRC 188 CUP 192 CVE 132 CZK 203 DKK 208 DOP 214 DZD 012 EGP 818 ERN 232 ETB 230 EUR 978 FJD 242 FKP 238 GBP 826
GEL 981 GHS 936 GIP 292 GMD 270 GTQ 320 GYD 328 HKD 344 HNL 340 HRK 191 HTG 332 HUF 348 IDR 360 ILS 376 INR 356
IRR 364 JMD 388 KES 404 KGS 417 KHR 116 KPW 408 KYD 136 KZT 398 LAK 418 LBP 422 LKR 144 LRD 430 LSL 426 MAD 504
MDL 498 MGA 969 MKD 807 MMK 104 MNT 496 MOP 446 MRU 929 MUR 480 MVR 462 MWK 454 MXN 484 MYR 458 MZN 943 NAD 516
NGN 566 NIO 558 NOK 578 NPR 524 NZD 554 PAB 590 PEN 604 PGK 598 PHP 608 PKR 586 PLN 985 QAR 634 RON 946 RSD 941
RUB 643 SAR 682 SBD 090 SCR 690 SDG 938 SEK 752 SGD 702 SHP 654 SLE 925 SLL 694 SOS 706 SRD 968 SSP 728 STN 930
SVC 222 SYP 760 SZL 748 THB 764 TJS 972 TMT 934 TOP 776 TRY 949 TTD 780 TWD 901 TZS 834 UAH 980 USD 840 UYU 858
UZS 860 VED 926 VES 928 WST 882 XCD 951 XCG 532 YER 886 ZAR 710 ZMW 967 ZWG 924 ZWL 932
"""
_THREE = "BHD 048 IQD 368 JOD 400 KWD 414 LYD 434 OMR 512 TND 788"


def _table(text: str, exponent: int) -> dict[str, tuple[int, int]]:
    words = text.split()
    return {name: (int(number), exponent) for name, number in zip(words[::2], words[1::2], strict=True)}


CURRENCIES: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    _table(_ZERO, 0) | _table(_TWO, 2) | _table(_THREE, 3)
)
"""Alphabetic code -> (numeric code, exponent)."""


def rate_of(text: str) -> tuple[str, Fraction]:
    """Read yen for one unit of a currency, as USD=150.25: the currency, and yen for one minor unit.

    Raises:
        ValueError: it is no such text.
    """
    currency, _, yen = text.partition("=")
    if currency not in CURRENCIES or not re.fullmatch(r"\d{1,7}(\.\d{1,6})?", yen) or Fraction(yen) == 0:
        raise ValueError("write a currency and its price in yen, as USD=150.25")
    return currency, Fraction(yen) / 10 ** CURRENCIES[currency][1]
