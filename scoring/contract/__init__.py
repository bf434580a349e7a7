"""The records of all topics: bounded and frozen, with their JSON Schemas and examples.

Events tolerate unknown fields, so a producer can add fields first. An error names the path of the wrong field.
"""
