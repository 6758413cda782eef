"""The forward pass: dataset and network in, a stream of every layer's outputs out."""
