"""`rookery demo`: a story told on the whole service, and compared with what truly happened.

connect   orgs, people, applications, accounts: all through the doors a customer has
shop      visitors and orders, with a book of its own
trouble   what goes wrong in a real week, in thirty seconds
collect   what the service (over HTTP) and the sandbox's ledger say afterwards
compare   whether they agree: pure, and what decides the exit status
screen    the picture in the terminal
story     the order of events
"""
