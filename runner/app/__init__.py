"""Where Hydra is known: composes a configuration, checks it, and hands it over to a run."""
