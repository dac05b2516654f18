"""`traceformers hub`: folders to the Hub and back."""
