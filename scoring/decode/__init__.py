"""Bytes to columns: guard, decoder, columns and keys of a batch, and a reject for each refused record."""

from scoring.decode.batch import Decoded, Name, decode, decode_outcomes
from scoring.decode.columns import Col, country_code
from scoring.decode.rejects import encode_dead_letter
from scoring.decode.settings import DecodeLimits
from scoring.decode.side_inputs import (
    ParsedMerchants,
    ParsedReports,
    ParsedResults,
    parse_merchants,
    parse_reports,
    parse_results,
)

__all__ = [
    "Col",
    "DecodeLimits",
    "Decoded",
    "Name",
    "ParsedMerchants",
    "ParsedReports",
    "ParsedResults",
    "country_code",
    "decode",
    "decode_outcomes",
    "encode_dead_letter",
    "parse_merchants",
    "parse_reports",
    "parse_results",
]
