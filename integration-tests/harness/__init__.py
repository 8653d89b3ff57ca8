"""What the integration tests stand on: real servers on free ports, the program under test, and clients.

Everything that is started is stopped by its pid; everything that has to get ready is polled with a deadline.
"""
