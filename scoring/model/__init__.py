"""The model: a LightGBM forest scored bit for bit by a compiled kernel, its calibration, its bundle, its reasons."""
