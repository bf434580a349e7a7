"""The offline shell: simulated traffic, replay to the training matrix, training, bundles."""
