"""Record batches as brokers keep them: walked, decompressed within a bound, and taken apart by column."""
