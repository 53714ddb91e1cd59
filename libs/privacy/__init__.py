"""Keys, sealed fields and dossiers, blind indexes, masking, and the audit chains."""
