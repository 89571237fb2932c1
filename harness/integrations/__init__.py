"""What other people's tools and frameworks bring in; each library is imported by its own adapter, when it is used."""
