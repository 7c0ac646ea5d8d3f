"""The vendors, simulated on loopback over one seeded world. Shares no code with the connectors."""
