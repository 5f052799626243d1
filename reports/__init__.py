"""What people read: tables and figures, made from the files that a run wrote."""
