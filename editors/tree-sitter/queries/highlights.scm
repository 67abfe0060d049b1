; A later pattern takes precedence over an earlier one in Neovim and in the tree-sitter program.

["anet" "network" "input" "node" "sink" "origin" "score"] @keyword

(comment) @comment
(string) @string
(number) @number

(attribute key: (name) @property)
"=" @operator
"@" @operator
"," @punctuation.delimiter
["[" "]"] @punctuation.bracket

(item value: (name) @variable)
(item weight: (number) @number)

(network_statement name: (name) @module)
(input_statement name: (name) @variable.parameter)
(node_statement name: (name) @function)

(attribute value: (name) @constant
  (#any-of? @constant "full" "lite" "learned" "fixed" "none" "self" "peer" "rgb" "flow" "object" "mean" "concat" "maxpool"))

[(malformed_number) (unterminated_string) (reserved_word)] @error
