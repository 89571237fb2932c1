"""One send: held, signed, sent, priced, settled, recorded. Whom to ask, and whom next, is `harness.model_call`'s."""
