"""The endpoint that the vendor pushes to: who may call, what is answered, and what of it can be measured."""
