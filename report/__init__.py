"""Pages for people: self-contained HTML files out of the state file and out of plans; no network, no eval."""
