"""What routing knows: organisations and their hours, areas, running loads, a case and its attempts."""
