"""The process that holds networks open for the screens, and the client that talks to it."""
