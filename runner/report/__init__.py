"""The one wing that draws: a run, two runs or a sweep as one HTML file that needs no network."""
