"""The model side: messages, clients, chat formats. It knows nothing of domains and imports nothing of `pipeline`."""
