"""The worker: agents, outputs, merchants, the watchdog, and the process around them."""
