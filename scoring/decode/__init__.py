"""Bytes to columns: guard, decoder, columns and keys of a batch, and a reject for whatever is refused."""

from scoring.decode.batch import Decoded, Name, decode, decode_outcomes
from scoring.decode.columns import Col, country_code
from scoring.decode.limits import DecodeLimits
from scoring.decode.references import ParsedMerchants, ParsedReports, parse_merchants, parse_reports
from scoring.decode.rejects import encode_dead_letter

__all__ = [
    "Col",
    "DecodeLimits",
    "Decoded",
    "Name",
    "ParsedMerchants",
    "ParsedReports",
    "country_code",
    "decode",
    "decode_outcomes",
    "encode_dead_letter",
    "parse_merchants",
    "parse_reports",
]
