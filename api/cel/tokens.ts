/** The words of CEL, the expression language of policies, CustomResourceDefinitions and claims. */
import { CodedError } from "@raft2kube/std/errors.ts";

/** `at` is where it starts. */
export type Token = { readonly text: string; readonly at: number } & (
  { readonly is: "name" | "sign" | "end" } | { readonly is: "literal"; readonly type: LiteralType }
);

export type LiteralType = "int" | "uint" | "double" | "string" | "bytes" | "bool" | "null";

/** The text is no expression; `at` counts characters from its beginning. */
export class CelError extends CodedError {
  override readonly name = "CelError";
  readonly at: number;

  constructor(message: string, at: number) {
    super("CEL", message);
    this.at = at;
  }
}

const STRING = String.raw`"""[^]*?"""|'''[^]*?'''|"(?:[^"\\\n\r]|\\.)*"|'(?:[^'\\\n\r]|\\.)*'`;
const RAW_STRING = String.raw`[rR](?:"""[^]*?"""|'''[^]*?'''|"[^"\n\r]*"|'[^'\n\r]*')`;

/** The kinds of tokens; the first match wins, unnamed ones are skipped. */
const FORMS: readonly (readonly [RegExp, LiteralType | "name" | "sign" | undefined])[] = [
  [/\s+|\/\/[^\n]*/y, undefined],
  [new RegExp(`[bB](?:${RAW_STRING})|[bB](?:${STRING})`, "y"), "bytes"],
  [new RegExp(`${RAW_STRING}|${STRING}`, "y"), "string"],
  [/\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?/y, "double"],
  [/(?:0x[0-9a-fA-F]+|\d+)[uU]/y, "uint"],
  [/0x[0-9a-fA-F]+|\d+/y, "int"],
  [/(?:true|false)(?![\w])/y, "bool"],
  [/null(?![\w])/y, "null"],
  [/[A-Za-z_][A-Za-z0-9_]*/y, "name"],
  [/`[A-Za-z0-9_.\-/ ]+`/y, "name"],
  [/&&|\|\||==|!=|<=|>=|\[\?|\.\?|[-+*/%<>!?:.,()[\]{}]/y, "sign"],
];

/** The tokens of an expression, the end last. Throws CelError on invalid text. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const [word, form] = tokenAt(text, at);
    if (form === "name") tokens.push({ is: form, text: word.replaceAll("`", ""), at });
    else if (form === "sign") tokens.push({ is: form, text: word, at });
    else if (form !== undefined) tokens.push({ is: "literal", type: form, text: word, at });
    at += word.length;
  }
  return [...tokens, { is: "end", text: "", at }];
}

function tokenAt(text: string, at: number): readonly [string, (typeof FORMS)[number][1]] {
  for (const [expression, form] of FORMS) {
    expression.lastIndex = at;
    const word = expression.exec(text)?.[0];
    if (word !== undefined) return [word, form];
  }
  throw new CelError(`Syntax error: token recognition error at: '${text[at]}'`, at);
}
