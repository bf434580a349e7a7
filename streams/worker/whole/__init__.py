"""Topics that every worker reads whole before it decides, and follows then."""
