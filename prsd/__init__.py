"""The daemon: the control plane. It decides who runs what and keeps what is true; it never opens user data.

`app` puts everything together. `coordinator` is the page that joins the pure rules (`core`), the durable log (`store`) and
the streams (`rpc`): an event comes in, the core answers with facts and commands, the facts are written, the commands sent.
`spec` reads pipelines and `definitions` turns them into what core and agents need; `board` and `reports` are what people
see. `base` and `v1` (generated from proto/) are shared with the agent and the CLI. Read `core` first, then `coordinator`.
"""
