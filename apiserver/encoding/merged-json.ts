type Members = { [name: string]: unknown };

const SCALAR = /"(?:[^"\\]|\\.)*"|[^\s{}[\],:"]+/y;
const SPACE = /\s*/y;

/**
 * What Go makes of JSON in which keys stand twice, where it knows the type: of two objects one
 * with the members of both, of anything else the last. `text` is JSON, no deeper than the limit.
 */
export function mergedJson(text: string): unknown {
  return new Merger(text).value(undefined);
}

class Merger {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#skip(SPACE);
  }

  /** The next value, into `before` if both are objects. */
  value(before: unknown): unknown {
    if (this.#take("{")) return this.#members(isMembers(before) ? before : {});
    if (this.#take("[")) return this.#items();
    const scalar = this.#skip(SCALAR);
    this.#skip(SPACE);
    const value = JSON.parse(scalar) as unknown;
    return typeof value === "string" ? value.toWellFormed() : value;
  }

  #members(into: Members): Members {
    while (!this.#take("}")) {
      const name = String(this.value(undefined));
      this.#take(":");
      const value = this.value(Object.hasOwn(into, name) ? into[name] : undefined);
      // `__proto__` is a name as any other.
      Object.defineProperty(into, name, {
        value, enumerable: true, configurable: true, writable: true,
      });
      this.#take(",");
    }
    return into;
  }

  #items(): unknown[] {
    const items: unknown[] = [];
    while (!this.#take("]")) {
      items.push(this.value(undefined));
      this.#take(",");
    }
    return items;
  }

  #take(letter: string): boolean {
    if (this.#text[this.#at] !== letter) return false;
    this.#at += 1;
    this.#skip(SPACE);
    return true;
  }

  #skip(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [found = ""] = pattern.exec(this.#text) ?? [];
    this.#at += found.length;
    return found;
  }
}

const isMembers = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value);
