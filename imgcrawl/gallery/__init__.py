"""A gallery of datasets on this machine, in a browser, and the state of crawls that run."""
