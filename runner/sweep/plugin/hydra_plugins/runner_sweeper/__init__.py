"""Where Hydra looks for plugins; the code behind it lives in ``runner.sweep``."""
