"""Tools: what a workflow may do in the world beside asking models. Ways to reach them are one module each."""
