"""The licence audit: what is installed, under which licences, and what needs a person."""
