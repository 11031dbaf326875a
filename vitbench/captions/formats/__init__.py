"""The files in which people bring pictures with captions; one module a form, all read into `Rows`."""
