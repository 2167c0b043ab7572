/** Tokens of CEL. Source: the lexical grammar of cel-spec's langdef and cel-go's CEL.g4. */
import { type Issues, ParseError } from "./issues.ts";

type TokenKind =
  | "int"
  | "uint"
  | "double"
  | "string"
  | "bytes"
  | "ident"
  | "escaped"
  | "sign"
  | "end";

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Where it starts, in UTF-16 units. */
  readonly at: number;
}

const ESCAPE =
  String.raw`\\(?:[abfnrtv"'\\?${"`"}]|[xX][\da-fA-F]{2}|u[\da-fA-F]{4}` +
  String.raw`|U[\da-fA-F]{8}|[0-3][0-7]{2})`;
const STRING = [
  String.raw`[rR]"""[^]*?"""`,
  String.raw`[rR]'''[^]*?'''`,
  String.raw`[rR]"[^"\n\r]*"`,
  String.raw`[rR]'[^'\n\r]*'`,
  String.raw`"""(?:${ESCAPE}|[^\\])*?"""`,
  String.raw`'''(?:${ESCAPE}|[^\\])*?'''`,
  String.raw`"(?:${ESCAPE}|[^\\"\n\r])*"`,
  String.raw`'(?:${ESCAPE}|[^\\'\n\r])*'`,
].join("|");

/** The forms of tokens; the first that fits counts. Spaces and comments have no kind. */
const FORMS: readonly (readonly [RegExp, TokenKind | undefined])[] = [
  [/[\t \r\n\f]+|\/\/[^\n]*/y, undefined],
  [new RegExp(STRING, "y"), "string"],
  [new RegExp(`[bB](?:${STRING})`, "y"), "bytes"],
  [/(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)/y, "double"],
  [/(?:0x[\da-fA-F]+|\d+)[uU]/y, "uint"],
  [/0x[\da-fA-F]+|\d+/y, "int"],
  [/(?:true|false|null|in)(?![\w])/y, "sign"],
  [/[a-zA-Z_]\w*/y, "ident"],
  [/`[\w.\-/ ]+`/y, "escaped"],
  [/==|!=|<=|>=|&&|\|\||[<>[\]{}().,\-!?:+*/%]/y, "sign"],
];

/** The tokens of a text, an end last. Other characters are issues, and passed over. */
export function tokensOf(text: string, issues: Issues): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const found = tokenAt(text, at);
    const word = found?.[0] ?? unreadable(text, at);
    if (found === undefined) issues.add(`Syntax error: token recognition error at: '${word}'`, at);
    else if (found[1] !== undefined) tokens.push({ kind: found[1], text: word, at });
    at += word.length;
  }
  return [...tokens, { kind: "end", text: "<EOF>", at }];
}

function tokenAt(text: string, at: number): readonly [string, TokenKind | undefined] | undefined {
  for (const [form, kind] of FORMS) {
    form.lastIndex = at;
    const word = form.exec(text)?.[0];
    if (word !== undefined) return [word, kind];
  }
  return undefined;
}

const UNREADABLE = new RegExp(
  `[bB]?[rR]?(?:"(?:${ESCAPE}|[^\\\\"\n\r])*|'(?:${ESCAPE}|[^\\\\'\n\r])*)[^]{0,2}|[|&=][^]?`,
  "y",
);

/** The characters that no token fits: an open string up to its fault, or one character. */
function unreadable(text: string, at: number): string {
  UNREADABLE.lastIndex = at;
  return UNREADABLE.exec(text)?.[0] ?? String.fromCodePoint(text.codePointAt(at)!);
}

const PLAIN: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 };

/** The value of a string or bytes token: text, and octets as bytes have them. */
export function unquote(word: string, at: number): { text: string; bytes: Uint8Array } {
  const isBytes = /^[bB]/.test(word);
  const raw = /^[bB]?[rR]/.test(word);
  const body = word.replace(/^[bB]?[rR]?/, "").replaceAll(/\r\n?/g, "\n");
  const width = /^(?:"""|''')/.test(body) ? 3 : 1;
  const inner = body.slice(width, body.length - width);
  if (raw) return { text: inner, bytes: Buffer.from(inner) };
  let text = "";
  const bytes: Buffer[] = [];
  for (const [part] of inner.matchAll(new RegExp(`${ESCAPE}|[^\\\\]+`, "gu"))) {
    if (!part.startsWith("\\")) {
      text += part;
      if (isBytes) bytes.push(Buffer.from(part));
      continue;
    }
    const code = codeOf(part, isBytes, at);
    text += String.fromCodePoint(code);
    if (isBytes) bytes.push(Buffer.of(code));
  }
  return { text, bytes: new Uint8Array(Buffer.concat(bytes)) };
}

/** The code point, or in bytes the octet, of an escape sequence. */
function codeOf(escape: string, isBytes: boolean, at: number): number {
  const letter = escape[1]!;
  if (/[uU]/.test(letter) && isBytes) throw new ParseError("unable to unescape string", at);
  const code = /[xXuU]/.test(letter)
    ? Number.parseInt(escape.slice(2), 16)
    : /[0-3]/.test(letter)
      ? Number.parseInt(escape.slice(1), 8)
      : (PLAIN[letter] ?? letter.charCodeAt(0));
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
    throw new ParseError("invalid unicode code point", at);
  }
  return code;
}
