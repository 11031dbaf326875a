"""The files in which people bring pictures with sentences; one module a form, all read into `Rows`."""
