"""What the user says: operations, dataflows, designs, layers, and every message about bad input."""
