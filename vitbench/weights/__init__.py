"""The small trained networks that come with vitbench, and how they were made (`make weights`)."""
