"""The HTTP endpoint that the vendor pushes reports and replies to."""
