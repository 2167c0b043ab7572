import { JsonError } from "@raft2kube/proto/json.ts";

/** Divides a stream of JSON objects, one after the other, into the text of each. */
export class JsonSplitter {
  readonly #chars_max: number;
  #text = "";
  #at = 0;
  #depth = 0;
  #inString = false;

  /** An object with more characters is refused. */
  constructor(chars_max: number) {
    this.#chars_max = chars_max;
  }

  /** Characters of an object that is not complete. */
  get heldChars(): number {
    return this.#text.length;
  }

  /** The objects that are complete with this chunk. Throws JsonError. */
  *push(chunk: string): Generator<string> {
    this.#text += chunk;
    let start = 0;
    for (; this.#at < this.#text.length; this.#at++) {
      if (this.#depth === 0) {
        start = this.#at;
        if (isSpace(this.#text[start]!)) continue;
        if (this.#text[start] !== "{") throw new JsonError("expected a JSON object");
      }
      if (!this.#step(this.#text[this.#at]!)) continue;
      yield this.#text.slice(start, this.#at + 1);
      start = this.#at + 1;
    }
    if (this.#depth === 0) start = this.#text.length;
    this.#text = this.#text.slice(start);
    this.#at -= start;
    if (this.#text.length > this.#chars_max) {
      throw new JsonError(`a JSON object of more than ${this.#chars_max} characters`);
    }
  }

  /** The stream has ended. Throws JsonError when an object is incomplete. */
  end(): void {
    if (this.#depth > 0) throw new JsonError("unexpected end of JSON");
  }

  /** Whether this character completes an object. */
  #step(char: string): boolean {
    if (this.#inString) {
      if (char === "\\") this.#at++;
      else if (char === '"') this.#inString = false;
      return false;
    }
    if (char === '"') this.#inString = true;
    else if (char === "{" || char === "[") this.#depth++;
    else if (char === "}" || char === "]") return --this.#depth === 0;
    return false;
  }
}

const isSpace = (char: string) => char === " " || char === "\n" || char === "\r" || char === "\t";
