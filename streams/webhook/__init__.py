"""The webhook: signed delivery of alerts to one receiver, in fair turns of acquirers."""
