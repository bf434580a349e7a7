"""The compliance report of an acquirer: what its topics say of merchants, issuers and programmes up to a day.

Records come in batches and are added up by merchant, month, day and BIN; events are not kept.
"""
