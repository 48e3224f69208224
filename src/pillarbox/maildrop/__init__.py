"""What POP3 sees of a mailbox: leases, snapshots, wire form, and the stores behind them.

`maildrop` holds the promise every store keeps, `wire_form` turns stored octets into what POP3 sends, `retrieval`
joins the two for RETR and TOP, `stores` has the built-in stores.
"""
