"""Months of merchants in Tokyo: fraud and disputes as reported, exact under late and repeated reports."""
