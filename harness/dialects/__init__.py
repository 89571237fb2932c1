"""The wires of the vendors, as pure encoders and decoders, and the transports that carry them."""
