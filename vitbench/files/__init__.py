"""Reading, parsing and writing files safely: whatever comes from outside is data that may be anything. No torch."""
