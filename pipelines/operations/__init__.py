"""What a command or a flow does, as plain functions of settings and clock."""
