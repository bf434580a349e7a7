"""The ground of a scenario: brokers behind proxies, ports, deployments."""
