"""Monthly counters of merchants, in months of Asia/Tokyo: fraud and disputes by report, approved and settled sales.

A row counts what one partition of the input saw of one merchant in one month; rows of several partitions add up. A
second kind of row remembers what was reported of one event, so that several reports, late ones and reversals move the
months they belong to and nothing counts twice. All of it is integers: recounting everything gives the same yen.
"""
