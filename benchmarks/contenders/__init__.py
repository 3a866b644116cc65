"""What runs in an environment of its own for each tool: no import of ours, Python's standard library and the tool only.

An adapter is a module with a class `Tool`: `Tool(workers)` starts the workers, `results(function, arguments)` yields what
`function(argument)` returns for each of the arguments, in any order, and `close()` ends everything.
"""
