"""What a scenario runs on: brokers behind proxies, ports, deployments."""
