"""From a file to answered batches: the recipients, the plan, the journal and the sender."""
