// The .anet language, version 1, for tree-sitter. It follows grammar/anet.lark; tests/editors/test_tree_sitter.py compares both.
// `malformed_number`, `unterminated_string` and `reserved_word` are mistakes: an editor shows them as errors.

/* global grammar, choice, field, optional, prec, repeat, seq, token */

module.exports = grammar({
  name: 'anet',

  word: $ => $.name,

  extras: $ => [/[ \t\r\n\f]/, $.comment],

  rules: {
    file: $ => seq(optional('\uFEFF'), repeat($._statement)),

    _statement: $ => choice(
      $.version_statement,
      $.network_statement,
      $.input_statement,
      $.node_statement,
      $.sink_statement,
      $.origin_statement,
      $.score_statement,
    ),

    version_statement: $ => seq('anet', field('version', $._number)),
    network_statement: $ => seq('network', field('name', $._name), repeat($.attribute)),
    input_statement: $ => seq('input', field('name', $._name), repeat($.attribute)),
    node_statement: $ => seq('node', field('name', $._name), repeat($.attribute)),
    sink_statement: $ => seq('sink', repeat($.attribute)),
    origin_statement: $ => seq('origin', repeat($.attribute)),
    score_statement: $ => seq('score', repeat($.attribute)),

    attribute: $ => seq(field('key', $.name), '=', field('value', choice($._scalar, $.list))),

    list: $ => seq('[', optional(seq($.item, repeat(seq(',', $.item)), optional(','))), ']'),

    item: $ => seq(field('value', $._scalar), optional(seq('@', field('weight', $._number)))),

    _scalar: $ => choice($._number, $._name, $.string, $.unterminated_string),

    _name: $ => choice($.name, $.reserved_word),

    reserved_word: _ => choice('anet', 'network', 'input', 'node', 'sink', 'origin', 'score'),

    _number: $ => choice($.number, $.malformed_number),

    name: _ => /[A-Za-z_][A-Za-z0-9_]*/,

    number: _ => token(prec(1, /[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?/)),

    // Longer than the number that it starts with, as in `12k` or `1.2.3`.
    malformed_number: _ => token(prec(1, /[+-]?\.?[0-9][A-Za-z0-9_.]*/)),

    string: _ => token(seq('"', repeat(choice(/[^"\\\r\n]/, /\\[^\r\n]/)), '"')),

    unterminated_string: _ => token(prec(-1, /"[^\r\n]*/)),

    comment: _ => token(seq('#', /[^\r\n]*/)),
  },
});
