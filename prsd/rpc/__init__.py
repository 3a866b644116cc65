"""The gRPC edge: authorise, convert, post or query, convert back.

No rule lives here. `convert` turns messages into the core's vocabulary and back; `agents` is the agents' stream; `jobs` and
`files` are what people ask; `errors` is the one table from what can go wrong to canonical status codes.
"""
