"""The shapes of everything that crosses a topic, as bounded frozen records with their JSON Schemas and examples.

Events tolerate unknown fields so that a producer can grow first; a wrong field names its path.
"""
