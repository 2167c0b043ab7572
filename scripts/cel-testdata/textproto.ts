/** Reads protobuf's text format, as far as cel-spec's tests use it: names, scalars, messages. */

export interface Message {
  readonly [field: string]: readonly (string | Buffer | Message)[];
}

const TEXT = /"(?:\\[^]|[^"\\])*"|'(?:\\[^]|[^'\\])*'/.source;
const WORD = /\[[\w./]+\]|[-+\w.]+/.source;
const TOKEN = new RegExp(`\\s+|#[^\\n]*|(${TEXT})|(${WORD})|([{}:,;<>[\\]])`, "gy");

type Token = { readonly kind: "text" | "word" | "sign"; readonly text: string };

export function parseTextproto(text: string): Message {
  const tokens: Token[] = [];
  let at = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index !== at) throw new Error(`textproto: no token at ${at}`);
    at += match[0].length;
    if (match[1] !== undefined) tokens.push({ kind: "text", text: match[1] });
    else if (match[2] !== undefined) tokens.push({ kind: "word", text: match[2] });
    else if (match[3] !== undefined) tokens.push({ kind: "sign", text: match[3] });
  }
  if (at !== text.length) throw new Error(`textproto: no token at ${at}`);
  return new Reader(tokens).fields();
}

class Reader {
  readonly #tokens: readonly Token[];
  #index = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /** Fields up to the end or a closing brace, which is taken. */
  fields(): Message {
    const fields: Record<string, (string | Buffer | Message)[]> = {};
    for (;;) {
      const token = this.#tokens[this.#index++];
      if (token === undefined || token.text === "}" || token.text === ">") return fields;
      if (token.text === "," || token.text === ";") continue;
      if (this.#tokens[this.#index]?.text === ":") this.#index++;
      (fields[token.text] ??= []).push(...this.#values());
    }
  }

  #values(): (string | Buffer | Message)[] {
    const token = this.#tokens[this.#index++]!;
    if (token.text === "{" || token.text === "<") return [this.fields()];
    if (token.text === "[") return this.#list();
    if (token.kind === "word") return [token.text];
    const parts = [unquoted(token.text)];
    while (this.#tokens[this.#index]?.kind === "text") {
      parts.push(unquoted(this.#tokens[this.#index++]!.text));
    }
    return [Buffer.concat(parts)];
  }

  #list(): (string | Buffer | Message)[] {
    const items: (string | Buffer | Message)[] = [];
    while (this.#tokens[this.#index]?.text !== "]") {
      if (this.#tokens[this.#index]!.text === ",") this.#index++;
      else items.push(...this.#values());
    }
    this.#index++;
    return items;
  }
}

const PLAIN: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 };

/** The octets of a quoted text. */
function unquoted(text: string): Buffer {
  const parts = text
    .slice(1, -1)
    .matchAll(
      /\\([0-7]{1,3})|\\[xX]([\da-fA-F]{1,2})|\\u([\da-fA-F]{4})|\\U([\da-fA-F]{8})|\\([^])|[^\\]+/g,
    );
  return Buffer.concat(
    [...parts].map(([all, octal, hex, short, long, plain]) => {
      if (octal !== undefined) return Buffer.of(Number.parseInt(octal, 8));
      if (hex !== undefined) return Buffer.of(Number.parseInt(hex, 16));
      const code = short ?? long;
      if (code !== undefined) return Buffer.from(String.fromCodePoint(Number.parseInt(code, 16)));
      return plain === undefined
        ? Buffer.from(all)
        : Buffer.of(PLAIN[plain] ?? plain.charCodeAt(0));
    }),
  );
}
