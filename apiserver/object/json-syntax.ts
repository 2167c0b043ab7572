/**
 * What Go's decoder says where a text stops being JSON. JavaScript's own words differ from one to
 * the next, so the text is walked again, byte by byte, when it has failed to parse.
 */
export function goSyntaxError(text: Uint8Array): string {
  try {
    new Walk(text).document();
  } catch (thrown) {
    if (thrown instanceof Stop) return thrown.message;
    throw thrown;
  }
  throw new Error("a text that does not parse was walked to its end");
}

/** Where the walk ends; its message is Go's. */
class Stop extends Error {
  override readonly name = "Stop";
}

const LITERALS: ReadonlyMap<string, string> = new Map([
  ["t", "true"], ["f", "false"], ["n", "null"],
]);

/** RFC 8259 by recursive descent; bodies nest no deeper than the limit that was checked before. */
class Walk {
  readonly #text: Uint8Array;
  #at = 0;

  constructor(text: Uint8Array) {
    this.#text = text;
  }

  document(): void {
    this.#value();
    const letter = this.#next();
    if (letter !== undefined) throw wrong(letter, "after top-level value");
  }

  #value(): void {
    this.#valueFrom(this.#must());
  }

  #valueFrom(letter: string): void {
    const literal = LITERALS.get(letter);
    if (literal !== undefined) this.#literal(literal);
    else if (letter === '"') this.#string();
    else if (letter === "{") this.#object();
    else if (letter === "[") this.#array();
    else if (letter === "-" || isDigit(letter)) this.#number(letter);
    else throw wrong(letter, "looking for beginning of value");
  }

  #object(): void {
    let letter = this.#must();
    if (letter === "}") return;
    for (;;) {
      if (letter !== '"') throw wrong(letter, "looking for beginning of object key string");
      this.#string();
      letter = this.#must();
      if (letter !== ":") throw wrong(letter, "after object key");
      this.#value();
      letter = this.#must();
      if (letter === "}") return;
      if (letter !== ",") throw wrong(letter, "after object key:value pair");
      letter = this.#must();
    }
  }

  #array(): void {
    let letter = this.#must();
    if (letter === "]") return;
    for (;;) {
      this.#valueFrom(letter);
      letter = this.#must();
      if (letter === "]") return;
      if (letter !== ",") throw wrong(letter, "after array element");
      letter = this.#must();
    }
  }

  #literal(word: string): void {
    for (const expected of word.slice(1)) {
      const letter = this.#take();
      if (letter !== expected) throw wrong(letter, `in literal ${word} (expecting '${expected}')`);
    }
  }

  #string(): void {
    for (;;) {
      const letter = this.#take();
      if (letter === '"') return;
      if (letter < " ") throw wrong(letter, "in string literal");
      if (letter === "\\") this.#escape();
    }
  }

  #escape(): void {
    const letter = this.#take();
    if (letter !== "u") {
      if (!'bfnrt\\/"'.includes(letter)) throw wrong(letter, "in string escape code");
      return;
    }
    for (let digits = 0; digits < 4; digits += 1) {
      const digit = this.#take();
      if (!/[0-9a-f]/i.test(digit)) throw wrong(digit, "in \\u hexadecimal character escape");
    }
  }

  #number(first: string): void {
    const leading = first === "-" ? this.#digit("in numeric literal") : first;
    if (leading !== "0") this.#digits();
    if (this.#peek() === ".") {
      this.#at += 1;
      this.#digit("after decimal point in numeric literal");
      this.#digits();
    }
    if (!/^e$/i.test(this.#peek())) return;
    this.#at += 1;
    if (/^[+-]$/.test(this.#peek())) this.#at += 1;
    this.#digit("in exponent of numeric literal");
    this.#digits();
  }

  #digit(where: string): string {
    const letter = this.#take();
    if (!isDigit(letter)) throw wrong(letter, where);
    return letter;
  }

  #digits(): void {
    while (isDigit(this.#peek())) this.#at += 1;
  }

  /** The next byte as the letter of that number, "" behind the end. */
  #peek(): string {
    const byte = this.#text[this.#at];
    return byte === undefined ? "" : String.fromCharCode(byte);
  }

  #take(): string {
    const letter = this.#peek();
    if (letter === "") throw new Stop("unexpected end of JSON input");
    this.#at += 1;
    return letter;
  }

  /** The next letter that is no space; undefined behind the end. */
  #next(): string | undefined {
    while (/^[ \t\r\n]$/.test(this.#peek())) this.#at += 1;
    return this.#peek() === "" ? undefined : this.#take();
  }

  #must(): string {
    const letter = this.#next();
    if (letter === undefined) throw new Stop("unexpected end of JSON input");
    return letter;
  }
}

const isDigit = (letter: string): boolean => letter >= "0" && letter <= "9" && letter.length === 1;

function wrong(letter: string, where: string): Stop {
  return new Stop(`invalid character ${quoted(letter)} ${where}`);
}

/** As Go's strconv quotes a letter. */
function quoted(letter: string): string {
  if (letter === "'") return "'\\''";
  if (letter === '"') return "'\"'";
  const code = letter.charCodeAt(0);
  if (code >= 0x7f && code <= 0xa0) return `'\\u${code.toString(16).padStart(4, "0")}'`;
  const short = JSON.stringify(letter).slice(1, -1);
  return `'${short.replace(/^\\u00/, "\\x")}'`;
}
