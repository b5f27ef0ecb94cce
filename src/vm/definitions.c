/* See definitions.h. */
#include "vm/definitions.h"

#include <string.h>

/* -- Tokens -------------------------------------------------------------------- */

enum token_kind { T_END_OF_TEXT, T_NAME, T_STRING, T_NUMBER, T_KEYWORD, T_SIGN };

enum keyword { K_NONE, K_AND, K_OR, K_FUNCTION, K_IF, K_DO, K_REPEAT, K_END, K_UNTIL, K_VALUE, K_OPERATOR, K_OTHER };

/* A part of the text. */
struct span {
  uint32_t begin, size;
};

struct token {
  enum token_kind kind;
  enum keyword keyword;
  char sign;               /* a character; 'o' for an operator of several */
  uint32_t line;
  struct span text;
};

struct scanner {
  const char *text, *at, *end;
  uint32_t line;
};

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static char look(const struct scanner *scanner, size_t ahead) {
  return ahead < (size_t)(scanner->end - scanner->at) ? scanner->at[ahead] : '\0';
}

/* llex.c inclinenumber: \n, \r, \r\n and \n\r are one end of line. */
static void step(struct scanner *scanner) {
  char c = *scanner->at++;
  if (c != '\n' && c != '\r') return;
  char next = look(scanner, 0);
  if ((next == '\n' || next == '\r') && next != c && scanner->at < scanner->end) scanner->at++;
  scanner->line++;
}

/* "[[", "[=[": how many equals signs; -1: no long bracket. */
static int long_bracket(const struct scanner *scanner) {
  size_t level = 1;
  if (look(scanner, 0) != '[') return -1;
  while (look(scanner, level) == '=') level++;
  return look(scanner, level) == '[' ? (int)level - 1 : -1;
}

static void skip_long(struct scanner *scanner, int level) {
  scanner->at += level + 2;
  while (scanner->at < scanner->end) {
    if (*scanner->at != ']') {
      step(scanner);
      continue;
    }
    size_t equals = 1;
    while (look(scanner, equals) == '=') equals++;
    bool closes = look(scanner, equals) == ']' && (int)equals - 1 == level;
    scanner->at += closes ? equals + 1 : equals;
    if (closes) return;
  }
}

static void skip_comment(struct scanner *scanner) {
  scanner->at += 2;
  int level = long_bracket(scanner);
  if (level >= 0) {
    skip_long(scanner, level);
    return;
  }
  while (scanner->at < scanner->end && *scanner->at != '\n' && *scanner->at != '\r') scanner->at++;
}

/* An escaped end of line is part of a string; what \z skips is as well. */
static void skip_string(struct scanner *scanner) {
  char quote = *scanner->at++;
  while (scanner->at < scanner->end && *scanner->at != quote) {
    if (*scanner->at == '\\' && scanner->at + 1 < scanner->end) {
      bool skips_space = *++scanner->at == 'z';
      step(scanner);
      while (skips_space && scanner->at < scanner->end && is_space(*scanner->at)) step(scanner);
    } else {
      step(scanner);
    }
  }
  if (scanner->at < scanner->end) scanner->at++;
}

static void skip_number(struct scanner *scanner) {
  while (is_digit(look(scanner, 0)) || is_letter(look(scanner, 0)) || look(scanner, 0) == '.') {
    char c = *scanner->at++;
    bool is_sign = look(scanner, 0) == '+' || look(scanner, 0) == '-';
    if (is_sign && (c == 'e' || c == 'E' || c == 'p' || c == 'P')) scanner->at++;
  }
}

static enum keyword keyword_of(const char *text, size_t size) {
  static const struct { const char *text; enum keyword keyword; } keywords[] = {
      {"and", K_AND}, {"or", K_OR}, {"function", K_FUNCTION}, {"if", K_IF}, {"do", K_DO}, {"repeat", K_REPEAT},
      {"end", K_END}, {"until", K_UNTIL}, {"nil", K_VALUE}, {"true", K_VALUE}, {"false", K_VALUE},
      {"not", K_OPERATOR}, {"break", K_OTHER}, {"else", K_OTHER}, {"elseif", K_OTHER}, {"for", K_OTHER},
      {"in", K_OTHER}, {"local", K_OTHER}, {"return", K_OTHER}, {"then", K_OTHER}, {"while", K_OTHER},
  };
  for (size_t i = 0; i < SEEP_ARRAY_SIZE(keywords); i++) {
    const char *word = keywords[i].text;
    if (strlen(word) == size && memcmp(word, text, size) == 0) return keywords[i].keyword;
  }
  return K_NONE;
}

/* An equals sign that belongs to an operator is none of an assignment. */
static void scan_sign(struct scanner *scanner, struct token *token) {
  char c = *scanner->at++;
  char next = look(scanner, 0);
  token->sign = c;
  if (next == '=' && (c == '=' || c == '~' || c == '<' || c == '>' || c == '!')) {
    token->sign = 'o';
    scanner->at++;
  } else if (c == '.' && next == '.') {
    token->sign = 'o';
    while (look(scanner, 0) == '.') scanner->at++;
  } else if (c == ':' && next == ':') {
    token->sign = 'o';
    scanner->at++;
  }
}

static void skip_blank(struct scanner *scanner) {
  while (scanner->at < scanner->end) {
    if (is_space(*scanner->at)) step(scanner);
    else if (*scanner->at == '-' && look(scanner, 1) == '-') skip_comment(scanner);
    else return;
  }
}

static void scan(struct scanner *scanner, struct token *token) {
  skip_blank(scanner);
  const char *begin = scanner->at;
  *token = (struct token){.kind = T_END_OF_TEXT, .line = scanner->line,
                          .text.begin = (uint32_t)(begin - scanner->text)};
  if (begin == scanner->end) return;
  char c = *begin;
  int level = long_bracket(scanner);
  if (is_letter(c)) {
    while (is_letter(look(scanner, 0)) || is_digit(look(scanner, 0))) scanner->at++;
    token->text.size = (uint32_t)(scanner->at - begin);
    token->keyword = keyword_of(begin, token->text.size);
    token->kind = token->keyword == K_NONE ? T_NAME : T_KEYWORD;
    return;
  }
  token->kind = c == '"' || c == '\'' || level >= 0 ? T_STRING
                : is_digit(c) || (c == '.' && is_digit(look(scanner, 1))) ? T_NUMBER : T_SIGN;
  if (level >= 0) skip_long(scanner, level);
  else if (token->kind == T_STRING) skip_string(scanner);
  else if (token->kind == T_NUMBER) skip_number(scanner);
  else scan_sign(scanner, token);
  token->text.size = (uint32_t)(scanner->at - begin);
}

/* -- What is open ---------------------------------------------------------------- */

enum { DEPTH_MAX = 100, TARGETS_MAX = 4 };  /* little, for the stack that it takes */
enum level_kind { L_BLOCK, L_FUNCTION, L_TABLE, L_GROUP };

/* A block, constructor or group that is open, with what is assigned in it just now. */
struct level {
  uint8_t kind;             /* enum level_kind */
  char closer;              /* of a group */
  bool is_value;            /* a function or a constructor: the level below says what it is assigned to */
  bool passes;              /* a group: its first value is that of the whole (setmetatable) */
  uint32_t line;
  struct span own;          /* a function's name, where its statement says it */
  struct span path;         /* the variable, or part of one, that was just read; size 0: none */
  struct span targets[TARGETS_MAX];
  uint32_t target_count, target;
  uint32_t position;        /* in a constructor: of the next value without a key */
  bool assigns;             /* behind the equals sign */
};

struct reader {
  struct scanner scanner;
  struct token before, token;
  seep_definition_sink *sink;
  void *context;
  uint32_t depth;           /* levels[0] is the text itself */
  bool failed;
  struct level levels[DEPTH_MAX];
  char name[SEEP_DEFINITION_NAME_MAX];
  size_t name_size;
};

static struct level *top(struct reader *reader) { return &reader->levels[reader->depth]; }

static struct level *open_level(struct reader *reader, enum level_kind kind) {
  if (reader->depth + 1 == DEPTH_MAX) {
    reader->failed = true;
    return top(reader);
  }
  struct level *level = &reader->levels[++reader->depth];
  *level = (struct level){.kind = (uint8_t)kind, .line = reader->token.line, .position = 1};
  return level;
}

static void start_statement(struct level *level) {
  level->path.size = 0;
  level->target_count = level->target = 0;
  level->assigns = false;
}

static uint32_t end_of_token(const struct reader *reader) {
  return (uint32_t)(reader->scanner.at - reader->scanner.text);
}

static bool reads(const struct reader *reader, struct span span, const char *word) {
  return span.size == strlen(word) && memcmp(reader->scanner.text + span.begin, word, span.size) == 0;
}

static bool is_sign(const struct token *token, char sign) { return token->kind == T_SIGN && token->sign == sign; }

/* Whether an expression may end with this token. */
static bool ends_value(const struct token *token) {
  switch (token->kind) {
    case T_NAME: case T_STRING: case T_NUMBER: return true;
    case T_KEYWORD: return token->keyword == K_VALUE || token->keyword == K_END;
    case T_SIGN: return token->sign == ')' || token->sign == ']' || token->sign == '}';
    default: return false;
  }
}

/* Whether what begins here is the value that is assigned, or the last part of it ("a or function"). */
static bool at_value(struct reader *reader) {
  const struct level *level = top(reader);
  const struct token *before = &reader->before;
  bool continues = before->kind == T_KEYWORD && (before->keyword == K_OR || before->keyword == K_AND);
  bool begins = is_sign(before, '=') || is_sign(before, ',');
  switch (level->kind) {
    case L_TABLE: return begins || continues || is_sign(before, '{') || is_sign(before, ';');
    case L_GROUP: return level->passes && is_sign(before, '(');
    default: return level->assigns && (begins || continues);
  }
}

/* -- Names ----------------------------------------------------------------------- */

static bool put(struct reader *reader, const char *text, size_t size) {
  if (size > sizeof reader->name - 1 - reader->name_size) return false;
  memcpy(reader->name + reader->name_size, text, size);
  reader->name_size += size;
  return true;
}

/* As it stands in the text, without spaces but those in strings; nothing that runs over lines or has comments. */
static bool put_span(struct reader *reader, struct span span) {
  const char *text = reader->scanner.text + span.begin;
  char quote = '\0';
  for (uint32_t i = 0; i < span.size; i++) {
    char c = text[i];
    if (c == '"' || c == '\'') quote = quote == '\0' ? c : quote == c ? '\0' : quote;
    if (c == '\n' || c == '\r' || (quote == '\0' && c == '-' && i + 1 < span.size && text[i + 1] == '-')) return false;
    if ((quote != '\0' || !is_space(c)) && !put(reader, &c, 1)) return false;
  }
  return span.size > 0;
}

static bool put_position(struct reader *reader, uint32_t position) {
  char digits[12];
  size_t at = sizeof digits;
  digits[--at] = ']';
  do digits[--at] = (char)('0' + position % 10); while ((position /= 10) != 0);
  digits[--at] = '[';
  return put(reader, digits + at, sizeof digits - at);
}

/* The key of the value that is read in a constructor; `is_first`: nothing stands before it. */
static bool put_key(struct reader *reader, const struct level *table, bool is_first) {
  if (!table->assigns) return put_position(reader, table->position);
  struct span key = table->targets[0];
  if (key.size > 0 && reader->scanner.text[key.begin] != '[' && !is_first && !put(reader, ".", 1)) return false;
  return put_span(reader, key);
}

/* What a value in the level at `depth` is assigned to. */
static bool put_target(struct reader *reader, uint32_t depth, bool *is_part) {
  uint32_t from = depth;
  /* Down to what does not lie in another value, and up again. */
  for (; from > 0; from--) {
    const struct level *level = &reader->levels[from];
    if (level->kind != L_GROUP && !(level->kind == L_TABLE && level->is_value)) break;
    if (level->kind == L_GROUP && !level->passes) return false;
  }
  *is_part = reader->levels[from].kind == L_TABLE;
  for (uint32_t i = from; i <= depth; i++) {
    const struct level *level = &reader->levels[i];
    if (level->kind == L_GROUP) continue;
    if (level->kind == L_TABLE) {
      if (!put_key(reader, level, i == from)) return false;
    } else {
      bool is_target = level->assigns && level->target < level->target_count;
      if (!is_target || !put_span(reader, level->targets[level->target])) return false;
    }
  }
  return true;
}

static void tell(struct reader *reader, const struct level *function, uint32_t line_last) {
  struct seep_definition definition = {.line = function->line, .line_last = line_last};
  reader->name_size = 0;
  bool named = function->own.size > 0 ? put_span(reader, function->own)
                                      : function->is_value && put_target(reader, reader->depth, &definition.is_part);
  reader->name[reader->name_size] = '\0';
  if (named) definition.name = reader->name;
  reader->sink(reader->context, &definition);
}

/* -- Reading ---------------------------------------------------------------------- */

static void advance(struct reader *reader) {
  reader->before = reader->token;
  scan(&reader->scanner, &reader->token);
}

/* The line is that of the keyword in a statement, else that of the parenthesis (lparser.c). */
static void read_function(struct reader *reader) {
  bool is_local = reader->before.kind == T_KEYWORD && reads(reader, reader->before.text, "local");
  bool is_value = at_value(reader);
  uint32_t line = reader->token.line;
  struct span own = {0};
  advance(reader);
  bool is_named = reader->token.kind == T_NAME;
  if (is_named) own.begin = reader->token.text.begin;
  while (reader->token.kind == T_NAME || is_sign(&reader->token, '.') || is_sign(&reader->token, ':')) {
    own.size = end_of_token(reader) - own.begin;
    advance(reader);
  }
  if (!is_sign(&reader->token, '(') || (!is_named && own.size > 0)) {
    reader->failed = true;
    return;
  }
  struct level *level = open_level(reader, L_FUNCTION);
  if (is_named && !is_local) level->line = line;
  level->own = own;
  level->is_value = is_value;
  while (reader->token.kind != T_END_OF_TEXT && !is_sign(&reader->token, ')')) advance(reader);
}

static void close_block(struct reader *reader) {
  struct level closed = *top(reader);
  if (reader->depth == 0 || (closed.kind != L_BLOCK && closed.kind != L_FUNCTION)) {
    reader->failed = true;
    return;
  }
  reader->depth--;
  if (closed.kind == L_FUNCTION) tell(reader, &closed, reader->token.line);
  if (closed.kind == L_BLOCK || closed.own.size > 0) start_statement(top(reader));
}

static void read_keyword(struct reader *reader) {
  switch (reader->token.keyword) {
    case K_FUNCTION: read_function(reader); break;
    case K_IF: case K_DO: case K_REPEAT:
      start_statement(top(reader));
      open_level(reader, L_BLOCK);
      break;
    case K_END: case K_UNTIL: close_block(reader); break;
    case K_OTHER: start_statement(top(reader)); break;
    default: top(reader)->path.size = 0;
  }
}

static void read_name(struct reader *reader) {
  struct level *level = top(reader);
  bool goes_on = is_sign(&reader->before, '.') || is_sign(&reader->before, ':');
  if (goes_on && level->path.size > 0) {
    level->path.size = end_of_token(reader) - level->path.begin;
  } else if (!goes_on) {
    if (ends_value(&reader->before) && level->kind != L_TABLE && level->kind != L_GROUP) start_statement(level);
    level->path = reader->token.text;
  }
}

static void add_target(struct level *level) {
  if (level->target_count < TARGETS_MAX) level->targets[level->target_count++] = level->path;
  level->path.size = 0;
}

static void read_separator(struct reader *reader) {
  struct level *level = top(reader);
  bool is_comma = is_sign(&reader->token, ',');
  if (level->kind == L_TABLE) {
    if (!level->assigns) level->position++;
    start_statement(level);
  } else if (!is_comma) {
    start_statement(level);
  } else if (level->assigns) {
    level->target++;
    level->path.size = 0;
  } else {
    add_target(level);
  }
}

static void read_equals(struct reader *reader) {
  struct level *level = top(reader);
  if (level->assigns) return;
  add_target(level);
  level->assigns = true;
}

static void open_group(struct reader *reader, char closer) {
  const struct level *below = top(reader);
  bool is_key = closer == ']' && below->kind == L_TABLE && !ends_value(&reader->before);
  bool passes = closer == ')' && reader->before.kind == T_NAME && reads(reader, below->path, "setmetatable") &&
                (below->assigns || below->kind == L_TABLE);
  if (is_key) top(reader)->path = reader->token.text;
  else if (closer != ']') top(reader)->path.size = 0;
  struct level *level = open_level(reader, L_GROUP);
  level->closer = closer;
  level->passes = passes;
}

static void close_group(struct reader *reader) {
  struct level *level = top(reader);
  char closer = reader->token.sign;
  bool is_table = level->kind == L_TABLE && closer == '}';
  if (!is_table && !(level->kind == L_GROUP && level->closer == closer)) {
    reader->failed = true;
    return;
  }
  reader->depth--;
  struct span *path = &top(reader)->path;
  if (closer == ']' && path->size > 0) path->size = end_of_token(reader) - path->begin;
  else path->size = 0;
}

/* "local x <const> = …": the attribute is no comparison. */
static bool skip_attribute(struct reader *reader) {
  struct scanner behind = reader->scanner;
  struct token name, closer;
  scan(&behind, &name);
  scan(&behind, &closer);
  if (name.kind != T_NAME || !is_sign(&closer, '>') || reader->before.kind != T_NAME) return false;
  reader->scanner = behind;
  reader->token = reader->before;
  return true;
}

static void read_sign(struct reader *reader) {
  switch (reader->token.sign) {
    case '=': read_equals(reader); break;
    case ',': case ';': read_separator(reader); break;
    case '(': open_group(reader, ')'); break;
    case '[': open_group(reader, ']'); break;
    case ')': case ']': case '}': close_group(reader); break;
    case '{': {
      bool is_value = at_value(reader);
      top(reader)->path.size = 0;
      open_level(reader, L_TABLE)->is_value = is_value;
      break;
    }
    case '.': case ':': break;
    case '<':
      if (skip_attribute(reader)) break;
      /* fall through */
    default: top(reader)->path.size = 0;
  }
}

static void read_token(struct reader *reader) {
  switch (reader->token.kind) {
    case T_NAME: read_name(reader); break;
    case T_KEYWORD: read_keyword(reader); break;
    case T_SIGN: read_sign(reader); break;
    default: top(reader)->path.size = 0;
  }
}

void seep_definitions_read(const char *text, size_t size_bytes, seep_definition_sink *sink, void *context) {
  struct reader reader;
  if (size_bytes > UINT32_MAX) return;
  reader.scanner = (struct scanner){.text = text, .at = text, .end = text + size_bytes, .line = 1};
  reader.before = reader.token = (struct token){.kind = T_SIGN, .sign = ';'};
  reader.sink = sink;
  reader.context = context;
  reader.depth = 0;
  reader.failed = false;
  reader.levels[0] = (struct level){.kind = L_BLOCK};
  if (size_bytes > 0 && text[0] == '#') { /* lauxlib.c skipcomment: "#!/usr/bin/lua" */
    while (reader.scanner.at < reader.scanner.end && *reader.scanner.at != '\n') reader.scanner.at++;
  }
  for (advance(&reader); reader.token.kind != T_END_OF_TEXT && !reader.failed; advance(&reader)) read_token(&reader);
}
