"""Many runs from one plan: which values are tried, which run is stopped early, and what each value contributed."""
