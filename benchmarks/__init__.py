"""Speed and cost, measured side by side in one run and printed as ratios. `make bench` runs all of it."""
