[
  (network_statement)
  (input_statement)
  (node_statement)
  (sink_statement)
  (origin_statement)
  (score_statement)
] @fold
