"""The guard: says before a secret is checked whether it may be, and learns afterwards how it went.

Rules: it never checks a secret and never keeps one, only short keyed tags; clock and randomness arrive with the call or
the constructor, so that a simulator drives the very engine that the server runs; it never raises and never waits.

    interface  what the pipeline asks and is told
    engine     the decision, and what is learnt from an outcome
    memory     what is remembered, in bounded tables
    places     an address and the networks around it
    scores     counters that decay
    ladder     which secrets are popular among failures
    accounts   what an account has been exposed to
    blocks     blocks that expire and double
    spray      attacks spread over many sources
    state      how workers share it, and how it survives a restart
    explain    why an address or a user is treated as it is
    policy_api what another server asks, in Weakforced's words
    policy_key the key it has to show
"""
