"""Every figure that the README and docs/performance.md quote, beside the peers, in one run, with the answers checked."""
