#include <tree_sitter/parser.h>

#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif

#define LANGUAGE_VERSION 14
#define STATE_COUNT 44
#define LARGE_STATE_COUNT 2
#define SYMBOL_COUNT 39
#define ALIAS_COUNT 0
#define TOKEN_COUNT 20
#define EXTERNAL_TOKEN_COUNT 0
#define FIELD_COUNT 5
#define MAX_ALIAS_SEQUENCE_LENGTH 5
#define PRODUCTION_ID_COUNT 6

enum {
  sym_name = 1,
  anon_sym_ = 2,
  anon_sym_anet = 3,
  anon_sym_network = 4,
  anon_sym_input = 5,
  anon_sym_node = 6,
  anon_sym_sink = 7,
  anon_sym_origin = 8,
  anon_sym_score = 9,
  anon_sym_EQ = 10,
  anon_sym_LBRACK = 11,
  anon_sym_COMMA = 12,
  anon_sym_RBRACK = 13,
  anon_sym_AT = 14,
  sym_number = 15,
  sym_malformed_number = 16,
  sym_string = 17,
  sym_unterminated_string = 18,
  sym_comment = 19,
  sym_file = 20,
  sym__statement = 21,
  sym_version_statement = 22,
  sym_network_statement = 23,
  sym_input_statement = 24,
  sym_node_statement = 25,
  sym_sink_statement = 26,
  sym_origin_statement = 27,
  sym_score_statement = 28,
  sym_attribute = 29,
  sym_list = 30,
  sym_item = 31,
  sym__scalar = 32,
  sym__name = 33,
  sym_reserved_word = 34,
  sym__number = 35,
  aux_sym_file_repeat1 = 36,
  aux_sym_network_statement_repeat1 = 37,
  aux_sym_list_repeat1 = 38,
};

static const char * const ts_symbol_names[] = {
  [ts_builtin_sym_end] = "end",
  [sym_name] = "name",
  [anon_sym_] = "﻿",
  [anon_sym_anet] = "anet",
  [anon_sym_network] = "network",
  [anon_sym_input] = "input",
  [anon_sym_node] = "node",
  [anon_sym_sink] = "sink",
  [anon_sym_origin] = "origin",
  [anon_sym_score] = "score",
  [anon_sym_EQ] = "=",
  [anon_sym_LBRACK] = "[",
  [anon_sym_COMMA] = ",",
  [anon_sym_RBRACK] = "]",
  [anon_sym_AT] = "@",
  [sym_number] = "number",
  [sym_malformed_number] = "malformed_number",
  [sym_string] = "string",
  [sym_unterminated_string] = "unterminated_string",
  [sym_comment] = "comment",
  [sym_file] = "file",
  [sym__statement] = "_statement",
  [sym_version_statement] = "version_statement",
  [sym_network_statement] = "network_statement",
  [sym_input_statement] = "input_statement",
  [sym_node_statement] = "node_statement",
  [sym_sink_statement] = "sink_statement",
  [sym_origin_statement] = "origin_statement",
  [sym_score_statement] = "score_statement",
  [sym_attribute] = "attribute",
  [sym_list] = "list",
  [sym_item] = "item",
  [sym__scalar] = "_scalar",
  [sym__name] = "_name",
  [sym_reserved_word] = "reserved_word",
  [sym__number] = "_number",
  [aux_sym_file_repeat1] = "file_repeat1",
  [aux_sym_network_statement_repeat1] = "network_statement_repeat1",
  [aux_sym_list_repeat1] = "list_repeat1",
};

static const TSSymbol ts_symbol_map[] = {
  [ts_builtin_sym_end] = ts_builtin_sym_end,
  [sym_name] = sym_name,
  [anon_sym_] = anon_sym_,
  [anon_sym_anet] = anon_sym_anet,
  [anon_sym_network] = anon_sym_network,
  [anon_sym_input] = anon_sym_input,
  [anon_sym_node] = anon_sym_node,
  [anon_sym_sink] = anon_sym_sink,
  [anon_sym_origin] = anon_sym_origin,
  [anon_sym_score] = anon_sym_score,
  [anon_sym_EQ] = anon_sym_EQ,
  [anon_sym_LBRACK] = anon_sym_LBRACK,
  [anon_sym_COMMA] = anon_sym_COMMA,
  [anon_sym_RBRACK] = anon_sym_RBRACK,
  [anon_sym_AT] = anon_sym_AT,
  [sym_number] = sym_number,
  [sym_malformed_number] = sym_malformed_number,
  [sym_string] = sym_string,
  [sym_unterminated_string] = sym_unterminated_string,
  [sym_comment] = sym_comment,
  [sym_file] = sym_file,
  [sym__statement] = sym__statement,
  [sym_version_statement] = sym_version_statement,
  [sym_network_statement] = sym_network_statement,
  [sym_input_statement] = sym_input_statement,
  [sym_node_statement] = sym_node_statement,
  [sym_sink_statement] = sym_sink_statement,
  [sym_origin_statement] = sym_origin_statement,
  [sym_score_statement] = sym_score_statement,
  [sym_attribute] = sym_attribute,
  [sym_list] = sym_list,
  [sym_item] = sym_item,
  [sym__scalar] = sym__scalar,
  [sym__name] = sym__name,
  [sym_reserved_word] = sym_reserved_word,
  [sym__number] = sym__number,
  [aux_sym_file_repeat1] = aux_sym_file_repeat1,
  [aux_sym_network_statement_repeat1] = aux_sym_network_statement_repeat1,
  [aux_sym_list_repeat1] = aux_sym_list_repeat1,
};

static const TSSymbolMetadata ts_symbol_metadata[] = {
  [ts_builtin_sym_end] = {
    .visible = false,
    .named = true,
  },
  [sym_name] = {
    .visible = true,
    .named = true,
  },
  [anon_sym_] = {
    .visible = true,
    .named = false,
  },
  [anon_sym_anet] = {
    .visible = true,
    .named = false,
  },
  [anon_sym_network] = {
    .visible = true,
    .named = false,
  },
  [anon_sym_input] = {
    .visible = true,
    .named = false,
  },
  [anon_sym_node] = {
    .visible = true,
    .named = false,
  },
  [anon_sym_sink] = {
    .visible = true,
    .named = false,
  },
  [anon_sym_origin] = {
    .visible = true,
    .named = false,
  },
  [anon_sym_score] = {
    .visible = true,
    .named = false,
  },
  [anon_sym_EQ] = {
    .visible = true,
    .named = false,
  },
  [anon_sym_LBRACK] = {
    .visible = true,
    .named = false,
  },
  [anon_sym_COMMA] = {
    .visible = true,
    .named = false,
  },
  [anon_sym_RBRACK] = {
    .visible = true,
    .named = false,
  },
  [anon_sym_AT] = {
    .visible = true,
    .named = false,
  },
  [sym_number] = {
    .visible = true,
    .named = true,
  },
  [sym_malformed_number] = {
    .visible = true,
    .named = true,
  },
  [sym_string] = {
    .visible = true,
    .named = true,
  },
  [sym_unterminated_string] = {
    .visible = true,
    .named = true,
  },
  [sym_comment] = {
    .visible = true,
    .named = true,
  },
  [sym_file] = {
    .visible = true,
    .named = true,
  },
  [sym__statement] = {
    .visible = false,
    .named = true,
  },
  [sym_version_statement] = {
    .visible = true,
    .named = true,
  },
  [sym_network_statement] = {
    .visible = true,
    .named = true,
  },
  [sym_input_statement] = {
    .visible = true,
    .named = true,
  },
  [sym_node_statement] = {
    .visible = true,
    .named = true,
  },
  [sym_sink_statement] = {
    .visible = true,
    .named = true,
  },
  [sym_origin_statement] = {
    .visible = true,
    .named = true,
  },
  [sym_score_statement] = {
    .visible = true,
    .named = true,
  },
  [sym_attribute] = {
    .visible = true,
    .named = true,
  },
  [sym_list] = {
    .visible = true,
    .named = true,
  },
  [sym_item] = {
    .visible = true,
    .named = true,
  },
  [sym__scalar] = {
    .visible = false,
    .named = true,
  },
  [sym__name] = {
    .visible = false,
    .named = true,
  },
  [sym_reserved_word] = {
    .visible = true,
    .named = true,
  },
  [sym__number] = {
    .visible = false,
    .named = true,
  },
  [aux_sym_file_repeat1] = {
    .visible = false,
    .named = false,
  },
  [aux_sym_network_statement_repeat1] = {
    .visible = false,
    .named = false,
  },
  [aux_sym_list_repeat1] = {
    .visible = false,
    .named = false,
  },
};

enum {
  field_key = 1,
  field_name = 2,
  field_value = 3,
  field_version = 4,
  field_weight = 5,
};

static const char * const ts_field_names[] = {
  [0] = NULL,
  [field_key] = "key",
  [field_name] = "name",
  [field_value] = "value",
  [field_version] = "version",
  [field_weight] = "weight",
};

static const TSFieldMapSlice ts_field_map_slices[PRODUCTION_ID_COUNT] = {
  [1] = {.index = 0, .length = 1},
  [2] = {.index = 1, .length = 1},
  [3] = {.index = 2, .length = 2},
  [4] = {.index = 4, .length = 1},
  [5] = {.index = 5, .length = 2},
};

static const TSFieldMapEntry ts_field_map_entries[] = {
  [0] =
    {field_version, 1},
  [1] =
    {field_name, 1},
  [2] =
    {field_key, 0},
    {field_value, 2},
  [4] =
    {field_value, 0},
  [5] =
    {field_value, 0},
    {field_weight, 2},
};

static const TSSymbol ts_alias_sequences[PRODUCTION_ID_COUNT][MAX_ALIAS_SEQUENCE_LENGTH] = {
  [0] = {0},
};

static const uint16_t ts_non_terminal_alias_map[] = {
  0,
};

static const TSStateId ts_primary_state_ids[STATE_COUNT] = {
  [0] = 0,
  [1] = 1,
  [2] = 2,
  [3] = 3,
  [4] = 4,
  [5] = 5,
  [6] = 6,
  [7] = 7,
  [8] = 8,
  [9] = 9,
  [10] = 10,
  [11] = 11,
  [12] = 12,
  [13] = 13,
  [14] = 14,
  [15] = 15,
  [16] = 16,
  [17] = 17,
  [18] = 18,
  [19] = 19,
  [20] = 20,
  [21] = 21,
  [22] = 22,
  [23] = 23,
  [24] = 24,
  [25] = 25,
  [26] = 26,
  [27] = 27,
  [28] = 28,
  [29] = 29,
  [30] = 30,
  [31] = 31,
  [32] = 32,
  [33] = 33,
  [34] = 34,
  [35] = 35,
  [36] = 36,
  [37] = 37,
  [38] = 38,
  [39] = 39,
  [40] = 40,
  [41] = 41,
  [42] = 42,
  [43] = 43,
};

static bool ts_lex(TSLexer *lexer, TSStateId state) {
  START_LEXER();
  eof = lexer->eof(lexer);
  switch (state) {
    case 0:
      if (eof) ADVANCE(4);
      if (lookahead == '"') ADVANCE(19);
      if (lookahead == '#') ADVANCE(21);
      if (lookahead == ',') ADVANCE(8);
      if (lookahead == '.') ADVANCE(2);
      if (lookahead == '=') ADVANCE(6);
      if (lookahead == '@') ADVANCE(10);
      if (lookahead == '[') ADVANCE(7);
      if (lookahead == ']') ADVANCE(9);
      if (lookahead == 65279) ADVANCE(5);
      if (('+' <= lookahead && lookahead <= '-')) ADVANCE(1);
      if (lookahead == '\t' ||
          lookahead == '\n' ||
          lookahead == '\f' ||
          lookahead == '\r' ||
          lookahead == ' ') SKIP(0)
      if (('0' <= lookahead && lookahead <= '9')) ADVANCE(12);
      if (('A' <= lookahead && lookahead <= 'Z') ||
          lookahead == '_' ||
          ('a' <= lookahead && lookahead <= 'z')) ADVANCE(11);
      END_STATE();
    case 1:
      if (lookahead == '.') ADVANCE(2);
      if (('0' <= lookahead && lookahead <= '9')) ADVANCE(12);
      END_STATE();
    case 2:
      if (('0' <= lookahead && lookahead <= '9')) ADVANCE(13);
      END_STATE();
    case 3:
      if (('0' <= lookahead && lookahead <= '9')) ADVANCE(15);
      END_STATE();
    case 4:
      ACCEPT_TOKEN(ts_builtin_sym_end);
      END_STATE();
    case 5:
      ACCEPT_TOKEN(anon_sym_);
      END_STATE();
    case 6:
      ACCEPT_TOKEN(anon_sym_EQ);
      END_STATE();
    case 7:
      ACCEPT_TOKEN(anon_sym_LBRACK);
      END_STATE();
    case 8:
      ACCEPT_TOKEN(anon_sym_COMMA);
      END_STATE();
    case 9:
      ACCEPT_TOKEN(anon_sym_RBRACK);
      END_STATE();
    case 10:
      ACCEPT_TOKEN(anon_sym_AT);
      END_STATE();
    case 11:
      ACCEPT_TOKEN(sym_name);
      if (('0' <= lookahead && lookahead <= '9') ||
          ('A' <= lookahead && lookahead <= 'Z') ||
          lookahead == '_' ||
          ('a' <= lookahead && lookahead <= 'z')) ADVANCE(11);
      END_STATE();
    case 12:
      ACCEPT_TOKEN(sym_number);
      if (lookahead == '.') ADVANCE(13);
      if (lookahead == 'E' ||
          lookahead == 'e') ADVANCE(16);
      if (('0' <= lookahead && lookahead <= '9')) ADVANCE(12);
      if (('A' <= lookahead && lookahead <= 'Z') ||
          lookahead == '_' ||
          ('a' <= lookahead && lookahead <= 'z')) ADVANCE(17);
      END_STATE();
    case 13:
      ACCEPT_TOKEN(sym_number);
      if (lookahead == 'E' ||
          lookahead == 'e') ADVANCE(16);
      if (('0' <= lookahead && lookahead <= '9')) ADVANCE(13);
      if (lookahead == '.' ||
          ('A' <= lookahead && lookahead <= 'Z') ||
          lookahead == '_' ||
          ('a' <= lookahead && lookahead <= 'z')) ADVANCE(17);
      END_STATE();
    case 14:
      ACCEPT_TOKEN(sym_number);
      if (('0' <= lookahead && lookahead <= '9')) ADVANCE(14);
      if (lookahead == '.' ||
          ('A' <= lookahead && lookahead <= 'Z') ||
          lookahead == '_' ||
          ('a' <= lookahead && lookahead <= 'z')) ADVANCE(17);
      END_STATE();
    case 15:
      ACCEPT_TOKEN(sym_number);
      if (('0' <= lookahead && lookahead <= '9')) ADVANCE(15);
      END_STATE();
    case 16:
      ACCEPT_TOKEN(sym_malformed_number);
      if (lookahead == '+' ||
          lookahead == '-') ADVANCE(3);
      if (('0' <= lookahead && lookahead <= '9')) ADVANCE(14);
      if (lookahead == '.' ||
          ('A' <= lookahead && lookahead <= 'Z') ||
          lookahead == '_' ||
          ('a' <= lookahead && lookahead <= 'z')) ADVANCE(17);
      END_STATE();
    case 17:
      ACCEPT_TOKEN(sym_malformed_number);
      if (lookahead == '.' ||
          ('0' <= lookahead && lookahead <= '9') ||
          ('A' <= lookahead && lookahead <= 'Z') ||
          lookahead == '_' ||
          ('a' <= lookahead && lookahead <= 'z')) ADVANCE(17);
      END_STATE();
    case 18:
      ACCEPT_TOKEN(sym_string);
      END_STATE();
    case 19:
      ACCEPT_TOKEN(sym_unterminated_string);
      if (lookahead == '"') ADVANCE(18);
      if (lookahead == '\\') ADVANCE(20);
      if (lookahead != 0 &&
          lookahead != '\n' &&
          lookahead != '\r') ADVANCE(19);
      END_STATE();
    case 20:
      ACCEPT_TOKEN(sym_unterminated_string);
      if (lookahead != 0 &&
          lookahead != '\n' &&
          lookahead != '\r') ADVANCE(19);
      END_STATE();
    case 21:
      ACCEPT_TOKEN(sym_comment);
      if (lookahead != 0 &&
          lookahead != '\n' &&
          lookahead != '\r') ADVANCE(21);
      END_STATE();
    default:
      return false;
  }
}

static bool ts_lex_keywords(TSLexer *lexer, TSStateId state) {
  START_LEXER();
  eof = lexer->eof(lexer);
  switch (state) {
    case 0:
      if (lookahead == 'a') ADVANCE(1);
      if (lookahead == 'i') ADVANCE(2);
      if (lookahead == 'n') ADVANCE(3);
      if (lookahead == 'o') ADVANCE(4);
      if (lookahead == 's') ADVANCE(5);
      if (lookahead == '\t' ||
          lookahead == '\n' ||
          lookahead == '\f' ||
          lookahead == '\r' ||
          lookahead == ' ') SKIP(0)
      END_STATE();
    case 1:
      if (lookahead == 'n') ADVANCE(6);
      END_STATE();
    case 2:
      if (lookahead == 'n') ADVANCE(7);
      END_STATE();
    case 3:
      if (lookahead == 'e') ADVANCE(8);
      if (lookahead == 'o') ADVANCE(9);
      END_STATE();
    case 4:
      if (lookahead == 'r') ADVANCE(10);
      END_STATE();
    case 5:
      if (lookahead == 'c') ADVANCE(11);
      if (lookahead == 'i') ADVANCE(12);
      END_STATE();
    case 6:
      if (lookahead == 'e') ADVANCE(13);
      END_STATE();
    case 7:
      if (lookahead == 'p') ADVANCE(14);
      END_STATE();
    case 8:
      if (lookahead == 't') ADVANCE(15);
      END_STATE();
    case 9:
      if (lookahead == 'd') ADVANCE(16);
      END_STATE();
    case 10:
      if (lookahead == 'i') ADVANCE(17);
      END_STATE();
    case 11:
      if (lookahead == 'o') ADVANCE(18);
      END_STATE();
    case 12:
      if (lookahead == 'n') ADVANCE(19);
      END_STATE();
    case 13:
      if (lookahead == 't') ADVANCE(20);
      END_STATE();
    case 14:
      if (lookahead == 'u') ADVANCE(21);
      END_STATE();
    case 15:
      if (lookahead == 'w') ADVANCE(22);
      END_STATE();
    case 16:
      if (lookahead == 'e') ADVANCE(23);
      END_STATE();
    case 17:
      if (lookahead == 'g') ADVANCE(24);
      END_STATE();
    case 18:
      if (lookahead == 'r') ADVANCE(25);
      END_STATE();
    case 19:
      if (lookahead == 'k') ADVANCE(26);
      END_STATE();
    case 20:
      ACCEPT_TOKEN(anon_sym_anet);
      END_STATE();
    case 21:
      if (lookahead == 't') ADVANCE(27);
      END_STATE();
    case 22:
      if (lookahead == 'o') ADVANCE(28);
      END_STATE();
    case 23:
      ACCEPT_TOKEN(anon_sym_node);
      END_STATE();
    case 24:
      if (lookahead == 'i') ADVANCE(29);
      END_STATE();
    case 25:
      if (lookahead == 'e') ADVANCE(30);
      END_STATE();
    case 26:
      ACCEPT_TOKEN(anon_sym_sink);
      END_STATE();
    case 27:
      ACCEPT_TOKEN(anon_sym_input);
      END_STATE();
    case 28:
      if (lookahead == 'r') ADVANCE(31);
      END_STATE();
    case 29:
      if (lookahead == 'n') ADVANCE(32);
      END_STATE();
    case 30:
      ACCEPT_TOKEN(anon_sym_score);
      END_STATE();
    case 31:
      if (lookahead == 'k') ADVANCE(33);
      END_STATE();
    case 32:
      ACCEPT_TOKEN(anon_sym_origin);
      END_STATE();
    case 33:
      ACCEPT_TOKEN(anon_sym_network);
      END_STATE();
    default:
      return false;
  }
}

static const TSLexMode ts_lex_modes[STATE_COUNT] = {
  [0] = {.lex_state = 0},
  [1] = {.lex_state = 0},
  [2] = {.lex_state = 0},
  [3] = {.lex_state = 0},
  [4] = {.lex_state = 0},
  [5] = {.lex_state = 0},
  [6] = {.lex_state = 0},
  [7] = {.lex_state = 0},
  [8] = {.lex_state = 0},
  [9] = {.lex_state = 0},
  [10] = {.lex_state = 0},
  [11] = {.lex_state = 0},
  [12] = {.lex_state = 0},
  [13] = {.lex_state = 0},
  [14] = {.lex_state = 0},
  [15] = {.lex_state = 0},
  [16] = {.lex_state = 0},
  [17] = {.lex_state = 0},
  [18] = {.lex_state = 0},
  [19] = {.lex_state = 0},
  [20] = {.lex_state = 0},
  [21] = {.lex_state = 0},
  [22] = {.lex_state = 0},
  [23] = {.lex_state = 0},
  [24] = {.lex_state = 0},
  [25] = {.lex_state = 0},
  [26] = {.lex_state = 0},
  [27] = {.lex_state = 0},
  [28] = {.lex_state = 0},
  [29] = {.lex_state = 0},
  [30] = {.lex_state = 0},
  [31] = {.lex_state = 0},
  [32] = {.lex_state = 0},
  [33] = {.lex_state = 0},
  [34] = {.lex_state = 0},
  [35] = {.lex_state = 0},
  [36] = {.lex_state = 0},
  [37] = {.lex_state = 0},
  [38] = {.lex_state = 0},
  [39] = {.lex_state = 0},
  [40] = {.lex_state = 0},
  [41] = {.lex_state = 0},
  [42] = {.lex_state = 0},
  [43] = {.lex_state = 0},
};

static const uint16_t ts_parse_table[LARGE_STATE_COUNT][SYMBOL_COUNT] = {
  [0] = {
    [ts_builtin_sym_end] = ACTIONS(1),
    [sym_name] = ACTIONS(1),
    [anon_sym_] = ACTIONS(1),
    [anon_sym_anet] = ACTIONS(1),
    [anon_sym_network] = ACTIONS(1),
    [anon_sym_input] = ACTIONS(1),
    [anon_sym_node] = ACTIONS(1),
    [anon_sym_sink] = ACTIONS(1),
    [anon_sym_origin] = ACTIONS(1),
    [anon_sym_score] = ACTIONS(1),
    [anon_sym_EQ] = ACTIONS(1),
    [anon_sym_LBRACK] = ACTIONS(1),
    [anon_sym_COMMA] = ACTIONS(1),
    [anon_sym_RBRACK] = ACTIONS(1),
    [anon_sym_AT] = ACTIONS(1),
    [sym_number] = ACTIONS(1),
    [sym_malformed_number] = ACTIONS(1),
    [sym_string] = ACTIONS(1),
    [sym_unterminated_string] = ACTIONS(1),
    [sym_comment] = ACTIONS(3),
  },
  [1] = {
    [sym_file] = STATE(43),
    [sym__statement] = STATE(7),
    [sym_version_statement] = STATE(7),
    [sym_network_statement] = STATE(7),
    [sym_input_statement] = STATE(7),
    [sym_node_statement] = STATE(7),
    [sym_sink_statement] = STATE(7),
    [sym_origin_statement] = STATE(7),
    [sym_score_statement] = STATE(7),
    [aux_sym_file_repeat1] = STATE(7),
    [ts_builtin_sym_end] = ACTIONS(5),
    [anon_sym_] = ACTIONS(7),
    [anon_sym_anet] = ACTIONS(9),
    [anon_sym_network] = ACTIONS(11),
    [anon_sym_input] = ACTIONS(13),
    [anon_sym_node] = ACTIONS(15),
    [anon_sym_sink] = ACTIONS(17),
    [anon_sym_origin] = ACTIONS(19),
    [anon_sym_score] = ACTIONS(21),
    [sym_comment] = ACTIONS(3),
  },
};

static const uint16_t ts_small_parse_table[] = {
  [0] = 6,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(27), 1,
      anon_sym_LBRACK,
    ACTIONS(29), 1,
      sym_string,
    ACTIONS(23), 4,
      sym_name,
      sym_number,
      sym_malformed_number,
      sym_unterminated_string,
    STATE(28), 5,
      sym_list,
      sym__scalar,
      sym__name,
      sym_reserved_word,
      sym__number,
    ACTIONS(25), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [32] = 7,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(33), 1,
      anon_sym_RBRACK,
    ACTIONS(35), 1,
      sym_string,
    STATE(35), 1,
      sym_item,
    ACTIONS(31), 4,
      sym_name,
      sym_number,
      sym_malformed_number,
      sym_unterminated_string,
    STATE(36), 4,
      sym__scalar,
      sym__name,
      sym_reserved_word,
      sym__number,
    ACTIONS(25), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [66] = 7,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(35), 1,
      sym_string,
    ACTIONS(37), 1,
      anon_sym_RBRACK,
    STATE(40), 1,
      sym_item,
    ACTIONS(31), 4,
      sym_name,
      sym_number,
      sym_malformed_number,
      sym_unterminated_string,
    STATE(36), 4,
      sym__scalar,
      sym__name,
      sym_reserved_word,
      sym__number,
    ACTIONS(25), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [100] = 7,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(35), 1,
      sym_string,
    ACTIONS(39), 1,
      anon_sym_RBRACK,
    STATE(40), 1,
      sym_item,
    ACTIONS(31), 4,
      sym_name,
      sym_number,
      sym_malformed_number,
      sym_unterminated_string,
    STATE(36), 4,
      sym__scalar,
      sym__name,
      sym_reserved_word,
      sym__number,
    ACTIONS(25), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [134] = 10,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(9), 1,
      anon_sym_anet,
    ACTIONS(11), 1,
      anon_sym_network,
    ACTIONS(13), 1,
      anon_sym_input,
    ACTIONS(15), 1,
      anon_sym_node,
    ACTIONS(17), 1,
      anon_sym_sink,
    ACTIONS(19), 1,
      anon_sym_origin,
    ACTIONS(21), 1,
      anon_sym_score,
    ACTIONS(41), 1,
      ts_builtin_sym_end,
    STATE(8), 9,
      sym__statement,
      sym_version_statement,
      sym_network_statement,
      sym_input_statement,
      sym_node_statement,
      sym_sink_statement,
      sym_origin_statement,
      sym_score_statement,
      aux_sym_file_repeat1,
  [173] = 10,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(9), 1,
      anon_sym_anet,
    ACTIONS(11), 1,
      anon_sym_network,
    ACTIONS(13), 1,
      anon_sym_input,
    ACTIONS(15), 1,
      anon_sym_node,
    ACTIONS(17), 1,
      anon_sym_sink,
    ACTIONS(19), 1,
      anon_sym_origin,
    ACTIONS(21), 1,
      anon_sym_score,
    ACTIONS(43), 1,
      ts_builtin_sym_end,
    STATE(8), 9,
      sym__statement,
      sym_version_statement,
      sym_network_statement,
      sym_input_statement,
      sym_node_statement,
      sym_sink_statement,
      sym_origin_statement,
      sym_score_statement,
      aux_sym_file_repeat1,
  [212] = 10,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(45), 1,
      ts_builtin_sym_end,
    ACTIONS(47), 1,
      anon_sym_anet,
    ACTIONS(50), 1,
      anon_sym_network,
    ACTIONS(53), 1,
      anon_sym_input,
    ACTIONS(56), 1,
      anon_sym_node,
    ACTIONS(59), 1,
      anon_sym_sink,
    ACTIONS(62), 1,
      anon_sym_origin,
    ACTIONS(65), 1,
      anon_sym_score,
    STATE(8), 9,
      sym__statement,
      sym_version_statement,
      sym_network_statement,
      sym_input_statement,
      sym_node_statement,
      sym_sink_statement,
      sym_origin_statement,
      sym_score_statement,
      aux_sym_file_repeat1,
  [251] = 10,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(9), 1,
      anon_sym_anet,
    ACTIONS(11), 1,
      anon_sym_network,
    ACTIONS(13), 1,
      anon_sym_input,
    ACTIONS(15), 1,
      anon_sym_node,
    ACTIONS(17), 1,
      anon_sym_sink,
    ACTIONS(19), 1,
      anon_sym_origin,
    ACTIONS(21), 1,
      anon_sym_score,
    ACTIONS(43), 1,
      ts_builtin_sym_end,
    STATE(6), 9,
      sym__statement,
      sym_version_statement,
      sym_network_statement,
      sym_input_statement,
      sym_node_statement,
      sym_sink_statement,
      sym_origin_statement,
      sym_score_statement,
      aux_sym_file_repeat1,
  [290] = 6,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(35), 1,
      sym_string,
    STATE(40), 1,
      sym_item,
    ACTIONS(31), 4,
      sym_name,
      sym_number,
      sym_malformed_number,
      sym_unterminated_string,
    STATE(36), 4,
      sym__scalar,
      sym__name,
      sym_reserved_word,
      sym__number,
    ACTIONS(25), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [321] = 3,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(68), 4,
      ts_builtin_sym_end,
      anon_sym_COMMA,
      anon_sym_RBRACK,
      anon_sym_AT,
    ACTIONS(70), 8,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
      sym_name,
  [341] = 5,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(72), 1,
      ts_builtin_sym_end,
    ACTIONS(74), 1,
      sym_name,
    STATE(23), 2,
      sym_attribute,
      aux_sym_network_statement_repeat1,
    ACTIONS(76), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [364] = 5,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(74), 1,
      sym_name,
    ACTIONS(78), 1,
      ts_builtin_sym_end,
    STATE(23), 2,
      sym_attribute,
      aux_sym_network_statement_repeat1,
    ACTIONS(80), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [387] = 5,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(74), 1,
      sym_name,
    ACTIONS(82), 1,
      ts_builtin_sym_end,
    STATE(23), 2,
      sym_attribute,
      aux_sym_network_statement_repeat1,
    ACTIONS(84), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [410] = 5,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(74), 1,
      sym_name,
    ACTIONS(86), 1,
      ts_builtin_sym_end,
    STATE(14), 2,
      sym_attribute,
      aux_sym_network_statement_repeat1,
    ACTIONS(88), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [433] = 5,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(74), 1,
      sym_name,
    ACTIONS(90), 1,
      ts_builtin_sym_end,
    STATE(18), 2,
      sym_attribute,
      aux_sym_network_statement_repeat1,
    ACTIONS(92), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [456] = 5,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(74), 1,
      sym_name,
    ACTIONS(94), 1,
      ts_builtin_sym_end,
    STATE(13), 2,
      sym_attribute,
      aux_sym_network_statement_repeat1,
    ACTIONS(96), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [479] = 5,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(74), 1,
      sym_name,
    ACTIONS(98), 1,
      ts_builtin_sym_end,
    STATE(23), 2,
      sym_attribute,
      aux_sym_network_statement_repeat1,
    ACTIONS(100), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [502] = 5,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(74), 1,
      sym_name,
    ACTIONS(102), 1,
      ts_builtin_sym_end,
    STATE(23), 2,
      sym_attribute,
      aux_sym_network_statement_repeat1,
    ACTIONS(104), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [525] = 5,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(74), 1,
      sym_name,
    ACTIONS(106), 1,
      ts_builtin_sym_end,
    STATE(19), 2,
      sym_attribute,
      aux_sym_network_statement_repeat1,
    ACTIONS(108), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [548] = 5,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(74), 1,
      sym_name,
    ACTIONS(110), 1,
      ts_builtin_sym_end,
    STATE(23), 2,
      sym_attribute,
      aux_sym_network_statement_repeat1,
    ACTIONS(112), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [571] = 5,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(74), 1,
      sym_name,
    ACTIONS(114), 1,
      ts_builtin_sym_end,
    STATE(12), 2,
      sym_attribute,
      aux_sym_network_statement_repeat1,
    ACTIONS(116), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [594] = 5,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(118), 1,
      ts_builtin_sym_end,
    ACTIONS(120), 1,
      sym_name,
    STATE(23), 2,
      sym_attribute,
      aux_sym_network_statement_repeat1,
    ACTIONS(123), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [617] = 5,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(74), 1,
      sym_name,
    ACTIONS(125), 1,
      ts_builtin_sym_end,
    STATE(21), 2,
      sym_attribute,
      aux_sym_network_statement_repeat1,
    ACTIONS(127), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [640] = 4,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(129), 1,
      sym_name,
    STATE(17), 2,
      sym__name,
      sym_reserved_word,
    ACTIONS(25), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [660] = 4,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(131), 1,
      sym_name,
    STATE(16), 2,
      sym__name,
      sym_reserved_word,
    ACTIONS(25), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [680] = 4,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(133), 1,
      sym_name,
    STATE(15), 2,
      sym__name,
      sym_reserved_word,
    ACTIONS(25), 7,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [700] = 3,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(135), 1,
      ts_builtin_sym_end,
    ACTIONS(137), 8,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
      sym_name,
  [717] = 3,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(139), 1,
      ts_builtin_sym_end,
    ACTIONS(141), 8,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
      sym_name,
  [734] = 3,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(143), 1,
      ts_builtin_sym_end,
    ACTIONS(145), 8,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
      sym_name,
  [751] = 3,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(147), 1,
      ts_builtin_sym_end,
    ACTIONS(149), 8,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
      sym_name,
  [768] = 3,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(151), 1,
      ts_builtin_sym_end,
    ACTIONS(153), 8,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
      sym_name,
  [785] = 2,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(155), 8,
      ts_builtin_sym_end,
      anon_sym_anet,
      anon_sym_network,
      anon_sym_input,
      anon_sym_node,
      anon_sym_sink,
      anon_sym_origin,
      anon_sym_score,
  [799] = 3,
    ACTIONS(3), 1,
      sym_comment,
    STATE(33), 1,
      sym__number,
    ACTIONS(157), 2,
      sym_number,
      sym_malformed_number,
  [810] = 4,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(159), 1,
      anon_sym_COMMA,
    ACTIONS(161), 1,
      anon_sym_RBRACK,
    STATE(38), 1,
      aux_sym_list_repeat1,
  [823] = 3,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(165), 1,
      anon_sym_AT,
    ACTIONS(163), 2,
      anon_sym_COMMA,
      anon_sym_RBRACK,
  [834] = 3,
    ACTIONS(3), 1,
      sym_comment,
    STATE(41), 1,
      sym__number,
    ACTIONS(167), 2,
      sym_number,
      sym_malformed_number,
  [845] = 4,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(37), 1,
      anon_sym_RBRACK,
    ACTIONS(169), 1,
      anon_sym_COMMA,
    STATE(39), 1,
      aux_sym_list_repeat1,
  [858] = 4,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(171), 1,
      anon_sym_COMMA,
    ACTIONS(174), 1,
      anon_sym_RBRACK,
    STATE(39), 1,
      aux_sym_list_repeat1,
  [871] = 2,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(174), 2,
      anon_sym_COMMA,
      anon_sym_RBRACK,
  [879] = 2,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(176), 2,
      anon_sym_COMMA,
      anon_sym_RBRACK,
  [887] = 2,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(178), 1,
      anon_sym_EQ,
  [894] = 2,
    ACTIONS(3), 1,
      sym_comment,
    ACTIONS(180), 1,
      ts_builtin_sym_end,
};

static const uint32_t ts_small_parse_table_map[] = {
  [SMALL_STATE(2)] = 0,
  [SMALL_STATE(3)] = 32,
  [SMALL_STATE(4)] = 66,
  [SMALL_STATE(5)] = 100,
  [SMALL_STATE(6)] = 134,
  [SMALL_STATE(7)] = 173,
  [SMALL_STATE(8)] = 212,
  [SMALL_STATE(9)] = 251,
  [SMALL_STATE(10)] = 290,
  [SMALL_STATE(11)] = 321,
  [SMALL_STATE(12)] = 341,
  [SMALL_STATE(13)] = 364,
  [SMALL_STATE(14)] = 387,
  [SMALL_STATE(15)] = 410,
  [SMALL_STATE(16)] = 433,
  [SMALL_STATE(17)] = 456,
  [SMALL_STATE(18)] = 479,
  [SMALL_STATE(19)] = 502,
  [SMALL_STATE(20)] = 525,
  [SMALL_STATE(21)] = 548,
  [SMALL_STATE(22)] = 571,
  [SMALL_STATE(23)] = 594,
  [SMALL_STATE(24)] = 617,
  [SMALL_STATE(25)] = 640,
  [SMALL_STATE(26)] = 660,
  [SMALL_STATE(27)] = 680,
  [SMALL_STATE(28)] = 700,
  [SMALL_STATE(29)] = 717,
  [SMALL_STATE(30)] = 734,
  [SMALL_STATE(31)] = 751,
  [SMALL_STATE(32)] = 768,
  [SMALL_STATE(33)] = 785,
  [SMALL_STATE(34)] = 799,
  [SMALL_STATE(35)] = 810,
  [SMALL_STATE(36)] = 823,
  [SMALL_STATE(37)] = 834,
  [SMALL_STATE(38)] = 845,
  [SMALL_STATE(39)] = 858,
  [SMALL_STATE(40)] = 871,
  [SMALL_STATE(41)] = 879,
  [SMALL_STATE(42)] = 887,
  [SMALL_STATE(43)] = 894,
};

static const TSParseActionEntry ts_parse_actions[] = {
  [0] = {.entry = {.count = 0, .reusable = false}},
  [1] = {.entry = {.count = 1, .reusable = false}}, RECOVER(),
  [3] = {.entry = {.count = 1, .reusable = true}}, SHIFT_EXTRA(),
  [5] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_file, 0),
  [7] = {.entry = {.count = 1, .reusable = true}}, SHIFT(9),
  [9] = {.entry = {.count = 1, .reusable = true}}, SHIFT(34),
  [11] = {.entry = {.count = 1, .reusable = true}}, SHIFT(27),
  [13] = {.entry = {.count = 1, .reusable = true}}, SHIFT(26),
  [15] = {.entry = {.count = 1, .reusable = true}}, SHIFT(25),
  [17] = {.entry = {.count = 1, .reusable = true}}, SHIFT(20),
  [19] = {.entry = {.count = 1, .reusable = true}}, SHIFT(22),
  [21] = {.entry = {.count = 1, .reusable = true}}, SHIFT(24),
  [23] = {.entry = {.count = 1, .reusable = false}}, SHIFT(28),
  [25] = {.entry = {.count = 1, .reusable = false}}, SHIFT(11),
  [27] = {.entry = {.count = 1, .reusable = true}}, SHIFT(3),
  [29] = {.entry = {.count = 1, .reusable = true}}, SHIFT(28),
  [31] = {.entry = {.count = 1, .reusable = false}}, SHIFT(36),
  [33] = {.entry = {.count = 1, .reusable = true}}, SHIFT(29),
  [35] = {.entry = {.count = 1, .reusable = true}}, SHIFT(36),
  [37] = {.entry = {.count = 1, .reusable = true}}, SHIFT(31),
  [39] = {.entry = {.count = 1, .reusable = true}}, SHIFT(32),
  [41] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_file, 2),
  [43] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_file, 1),
  [45] = {.entry = {.count = 1, .reusable = true}}, REDUCE(aux_sym_file_repeat1, 2),
  [47] = {.entry = {.count = 2, .reusable = true}}, REDUCE(aux_sym_file_repeat1, 2), SHIFT_REPEAT(34),
  [50] = {.entry = {.count = 2, .reusable = true}}, REDUCE(aux_sym_file_repeat1, 2), SHIFT_REPEAT(27),
  [53] = {.entry = {.count = 2, .reusable = true}}, REDUCE(aux_sym_file_repeat1, 2), SHIFT_REPEAT(26),
  [56] = {.entry = {.count = 2, .reusable = true}}, REDUCE(aux_sym_file_repeat1, 2), SHIFT_REPEAT(25),
  [59] = {.entry = {.count = 2, .reusable = true}}, REDUCE(aux_sym_file_repeat1, 2), SHIFT_REPEAT(20),
  [62] = {.entry = {.count = 2, .reusable = true}}, REDUCE(aux_sym_file_repeat1, 2), SHIFT_REPEAT(22),
  [65] = {.entry = {.count = 2, .reusable = true}}, REDUCE(aux_sym_file_repeat1, 2), SHIFT_REPEAT(24),
  [68] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_reserved_word, 1),
  [70] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_reserved_word, 1),
  [72] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_origin_statement, 2),
  [74] = {.entry = {.count = 1, .reusable = false}}, SHIFT(42),
  [76] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_origin_statement, 2),
  [78] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_node_statement, 3, .production_id = 2),
  [80] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_node_statement, 3, .production_id = 2),
  [82] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_network_statement, 3, .production_id = 2),
  [84] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_network_statement, 3, .production_id = 2),
  [86] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_network_statement, 2, .production_id = 2),
  [88] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_network_statement, 2, .production_id = 2),
  [90] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_input_statement, 2, .production_id = 2),
  [92] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_input_statement, 2, .production_id = 2),
  [94] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_node_statement, 2, .production_id = 2),
  [96] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_node_statement, 2, .production_id = 2),
  [98] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_input_statement, 3, .production_id = 2),
  [100] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_input_statement, 3, .production_id = 2),
  [102] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_sink_statement, 2),
  [104] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_sink_statement, 2),
  [106] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_sink_statement, 1),
  [108] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_sink_statement, 1),
  [110] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_score_statement, 2),
  [112] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_score_statement, 2),
  [114] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_origin_statement, 1),
  [116] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_origin_statement, 1),
  [118] = {.entry = {.count = 1, .reusable = true}}, REDUCE(aux_sym_network_statement_repeat1, 2),
  [120] = {.entry = {.count = 2, .reusable = false}}, REDUCE(aux_sym_network_statement_repeat1, 2), SHIFT_REPEAT(42),
  [123] = {.entry = {.count = 1, .reusable = false}}, REDUCE(aux_sym_network_statement_repeat1, 2),
  [125] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_score_statement, 1),
  [127] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_score_statement, 1),
  [129] = {.entry = {.count = 1, .reusable = false}}, SHIFT(17),
  [131] = {.entry = {.count = 1, .reusable = false}}, SHIFT(16),
  [133] = {.entry = {.count = 1, .reusable = false}}, SHIFT(15),
  [135] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_attribute, 3, .production_id = 3),
  [137] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_attribute, 3, .production_id = 3),
  [139] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_list, 2),
  [141] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_list, 2),
  [143] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_list, 3),
  [145] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_list, 3),
  [147] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_list, 4),
  [149] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_list, 4),
  [151] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_list, 5),
  [153] = {.entry = {.count = 1, .reusable = false}}, REDUCE(sym_list, 5),
  [155] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_version_statement, 2, .production_id = 1),
  [157] = {.entry = {.count = 1, .reusable = false}}, SHIFT(33),
  [159] = {.entry = {.count = 1, .reusable = true}}, SHIFT(4),
  [161] = {.entry = {.count = 1, .reusable = true}}, SHIFT(30),
  [163] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_item, 1, .production_id = 4),
  [165] = {.entry = {.count = 1, .reusable = true}}, SHIFT(37),
  [167] = {.entry = {.count = 1, .reusable = false}}, SHIFT(41),
  [169] = {.entry = {.count = 1, .reusable = true}}, SHIFT(5),
  [171] = {.entry = {.count = 2, .reusable = true}}, REDUCE(aux_sym_list_repeat1, 2), SHIFT_REPEAT(10),
  [174] = {.entry = {.count = 1, .reusable = true}}, REDUCE(aux_sym_list_repeat1, 2),
  [176] = {.entry = {.count = 1, .reusable = true}}, REDUCE(sym_item, 3, .production_id = 5),
  [178] = {.entry = {.count = 1, .reusable = true}}, SHIFT(2),
  [180] = {.entry = {.count = 1, .reusable = true}},  ACCEPT_INPUT(),
};

#ifdef __cplusplus
extern "C" {
#endif
#ifdef _WIN32
#define extern __declspec(dllexport)
#endif

extern const TSLanguage *tree_sitter_anet(void) {
  static const TSLanguage language = {
    .version = LANGUAGE_VERSION,
    .symbol_count = SYMBOL_COUNT,
    .alias_count = ALIAS_COUNT,
    .token_count = TOKEN_COUNT,
    .external_token_count = EXTERNAL_TOKEN_COUNT,
    .state_count = STATE_COUNT,
    .large_state_count = LARGE_STATE_COUNT,
    .production_id_count = PRODUCTION_ID_COUNT,
    .field_count = FIELD_COUNT,
    .max_alias_sequence_length = MAX_ALIAS_SEQUENCE_LENGTH,
    .parse_table = &ts_parse_table[0][0],
    .small_parse_table = ts_small_parse_table,
    .small_parse_table_map = ts_small_parse_table_map,
    .parse_actions = ts_parse_actions,
    .symbol_names = ts_symbol_names,
    .field_names = ts_field_names,
    .field_map_slices = ts_field_map_slices,
    .field_map_entries = ts_field_map_entries,
    .symbol_metadata = ts_symbol_metadata,
    .public_symbol_map = ts_symbol_map,
    .alias_map = ts_non_terminal_alias_map,
    .alias_sequences = &ts_alias_sequences[0][0],
    .lex_modes = ts_lex_modes,
    .lex_fn = ts_lex,
    .keyword_lex_fn = ts_lex_keywords,
    .keyword_capture_token = sym_name,
    .primary_state_ids = ts_primary_state_ids,
  };
  return &language;
}
#ifdef __cplusplus
}
#endif
