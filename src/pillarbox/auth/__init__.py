"""Authentication as a one-way pipeline: every way in becomes one `Attempt` and gets one `Decision`.

The session never sees a hash, a backend never sees a socket.
"""
