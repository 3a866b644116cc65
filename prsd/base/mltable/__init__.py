"""MLTable files (spec section 4.4): what they may say, checked and typed, without opening the data that they name.

`load` is the door: `load_mltable(folder)` for an agent that divides, `parse_mltable(folder, text)` for whoever checks what
is about to be submitted. `model` holds what comes out; `reads` and `transformations` know the parameters of each kind,
`filters` the expressions of `filter`, `partition_format` the grammar of `extract_columns_from_partition_format`. `words`
says what is wrong in the same form everywhere. PyYAML is the only import from outside.
"""
