"""Profiles: windows over the past of every card, merchant, BIN, device, network address, account and address.

Each of the eight keys of an authorization (`Entity`) has one row in a bounded store. For each event, in order, all its
rows are read into features and updated after that. So no feature includes its own event or a later one, and the size of
batches changes nothing. `Reports` of fraud count from the second in which they were received.

Error bounds of the figures, in whole seconds. A window w ends at T, the latest event time of the row. T is the time of
the event itself, unless the event is late.

* **Counts and sums** are in rings of SUB_BUCKETS + 1 = 5 sub-buckets of w / 4. The running one and the four before it
  are read. So true(w) <= estimate <= true(w * (1 + 1/4)): a burst across an edge is never undercounted, and the
  estimate is exact for the whole buckets it covers. Buckets begin at multiples of w / 4 since the epoch in every row
  and hold integers, so the parts of a row add up exactly. Spend is approved less reversed amounts; a reversal counts in
  the bucket of its own time, and a net below zero reads as zero: there the bound holds for either part. Means divide
  approved amounts by the approvals of a known amount: a reversal lowers spend, never a mean.
  Saturation: card counters 65,535 (approved, and attempts of a day or more) or 255 (all others) in one sub-bucket,
  shared ones 2**32 - 1,
  sums 2**60 yen, those of a card 2**47 - 1; one amount counts as 10**15 yen at most.
* **Distinct counts** of shared rows keep the last-seen second of the elements that hash to each of m slots; the slots
  that were hit within w give n by linear counting. Standard error: sqrt(m (e^p - p - 1)) / n for p = n / m, which is
  15 % of n or less up to n = m at m = 32 (11 % at 64, 8 % at 128, 6 % at 256). All windows come from one structure,
  slide to the second (elements up to one second too old may count) and unite slot by slot by their maximum.
  With no slot empty the figure is "at least m ln(2m)". A card's distinct merchants are exact up to 8, which means "8 or
  more", except for a chance of one in 65,535 that two have the same fingerprint.
* **New-to-card flags** compare 16-bit fingerprints of the last 8 merchants and the last 4 devices, addresses, MCCs and
  countries; NaN where the card has none yet. New-to-account flags read the distinct counters: an element may seem known
  with the share of occupied slots as probability.
* **Reports** of a card or a merchant are exact over the last 16 seconds that had any; older ones count in rings as
  above. No event includes a report that was received after it, in any order of reading. Times of receipt are rounded up
  to the second. An event before the 17th last of these seconds is late: of older reports it includes only those before
  its own quarter of a day. If it is more than a day late, it includes only the sub-buckets of each window before its
  own. If there are more than 16 seconds ahead of every event, the two closest count as one, the later.
* **Mature rates** of a merchant are reports received on w whole days (UTC) before the day of the event, over the
  attempts of w whole days that end 7 days earlier: where reports come about a week after their payments, those are the
  very attempts that could be reported. Both counts are exact, for an event of the day before the merchant's latest one
  too. A later one misses days that the rings (40 days of attempts, 32 of reports) have no more. Where reports come
  sooner or later than in a week, the rate compares neighbouring days, and can be above 1.
* **Amounts of a card** have running means and variances, plain over the first 32 (255) undeclined amounts and
  exponentially weighted after that. `surprise` and the outlier rate judge each amount, from the fourth on, by the
  longer one as it stood before that amount. They are float32, the outlier rate a multiple of 1 / 65,535.
* **Repeats** are found among the last 6 event ids of the card.
* **Answers:** an attempt without an outcome (asked before the issuer answered) counts as an attempt. A later event of
  its card with its id and an outcome is its answer: it adds that outcome, and its amount to spend, to all rows that it
  has keys for, in the bucket of its own time, once. Rates of outcomes divide by the attempts whose outcome is known;
  they are NaN where none is. The card's row has a bit for each of the 6 ids whose outcome is due. So an answer
  that comes later, or before its request, is a first event: it counts as both. A z-score is over amounts not declined
  when they were asked for.
* **Outcomes** that come on a topic of their own count as answers do. Kafka does not order two topics. So the card's row
  also has a bit for an id of which only the outcome has come. That counts as attempt and outcome in the rows that it
  has keys for. The request that follows has features, of rows that include its outcome, and is no second attempt. It
  adds a failed 3-D Secure, and elements that fingerprints and distinct counters do not have yet.
* **Late events** count in their own bucket while it is in the ring, and never move a row back. Events without a trusted
  time are scored with their rows. Their ids are kept, and their windows do not change.
* **Partitions:** with one or several on one worker the figures are the same for the same order of events. Rows that two
  partitions have are kept in parts and added up. A restore gives the same bits (`changelog`).
* **Memory** is bounded by `ProfileLimits`; a card takes at most 512 bytes with its share of the index and of the rows
  of reported cards, one for 16 cards. A full store gives a new key the row that was idle longest among the next 8 from
  its eviction cursor on. Reports never evict the row of a card. A report makes a row active at the time of the
  latest event that had changed windows when it was read, independent of the date in it.
"""

from scoring.profile.changelog import Changelog
from scoring.profile.columns import EventColumns, Reports
from scoring.profile.entities import Entity
from scoring.profile.features import PROFILE_FEATURES
from scoring.profile.profiles import ProfileLimits, Profiles

__all__ = ["PROFILE_FEATURES", "Changelog", "Entity", "EventColumns", "ProfileLimits", "Profiles", "Reports"]
