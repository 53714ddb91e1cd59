"""Tables as files: CSV and XLSX in, checked against limits before they cost anything, and out as a stream."""
