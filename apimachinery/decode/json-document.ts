import { isUtf8 } from "node:buffer";
import { exact, parseExact } from "@raft2kube/std/exact-json.ts";
import { badRequest } from "../errors/catalog.ts";
import { goSyntaxError } from "../json/go-syntax.ts";
import {
  BODY_DEPTH_MAX,
  MANAGED_FIELDS_DEPTH_MAX,
  ODDITIES_MAX,
  ODDITY_CHARACTERS_MAX,
} from "../limits.ts";

/** A value parsed out of a body. */
export interface Document {
  value: unknown;
  /** Complaints about keys that stand twice, at most ODDITIES_MAX. */
  duplicates: string[];
}

/** Bytes as text; throws 400 when they are not UTF-8. */
export function textOf(body: Buffer): string {
  if (!isUtf8(body)) throw badRequest("the body of the request is not valid UTF-8");
  return body.toString("utf8");
}

const PARSE_ERROR = "couldn't get version/kind; json parse error: ";

/**
 * Parses JSON as Go's decoder would: duplicate keys are found, integers past 2^53 are bigints, and
 * nesting past BODY_DEPTH_MAX is refused. Throws 400.
 */
export function parseJson(body: Buffer, prefix = PARSE_ERROR): Document {
  const text = textOf(body);
  const scan = new Scanner(text);
  scan.run();
  try {
    return { value: wellFormed(text), duplicates: scan.duplicates };
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    throw badRequest(`${prefix}${goSyntaxError(text, thrown)}`);
  }
}

/** Halves of letters, which JSON can escape and UTF-8 cannot hold, become U+FFFD as in Go. */
function wellFormed(text: string): unknown {
  if (!/\\ud[89a-f]/i.test(text)) return parseExact(text);
  const whole = (key: string, value: unknown, context: { source?: string }) =>
    typeof value === "string" ? value.toWellFormed() : exact(key, value, context);
  return JSON.parse(text, whole as never);
}

/** Keys of one object. Most have few, which are looked through; more are looked up. */
class Keys {
  readonly #few: string[] = [];
  #many: Set<string> | undefined;

  /** Whether the key is new. */
  add(key: string): boolean {
    if (this.#many === undefined) {
      if (this.#few.includes(key)) return false;
      this.#few.push(key);
      if (this.#few.length > FEW_KEYS_MAX) this.#many = new Set(this.#few);
      return true;
    }
    if (this.#many.has(key)) return false;
    this.#many.add(key);
    return true;
  }
}

const FEW_KEYS_MAX = 16;

interface Frame {
  /** The keys seen so far; undefined inside an array. */
  keys: Keys | undefined;
  key: string;
  index: number;
  expectKey: boolean;
}

/** One pass over the text that keeps a small stack: it judges what JSON.parse silently accepts. */
class Scanner {
  readonly duplicates: string[] = [];
  readonly #text: string;
  readonly #stack: Frame[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  run(): void {
    const text = this.#text;
    while (this.#at < text.length) {
      const code = text.charCodeAt(this.#at);
      if (code === 0x22) this.#string();
      else if (code === 0x7b || code === 0x5b) this.#open(code === 0x7b);
      else if (code === 0x7d || code === 0x5d) this.#close();
      else if (code === 0x2c) this.#comma();
      else this.#at++;
    }
  }

  #open(object: boolean): void {
    const [root, second] = this.#stack;
    const managed = root?.key === "metadata" && second?.key === "managedFields";
    if (this.#stack.length >= (managed ? MANAGED_FIELDS_DEPTH_MAX : BODY_DEPTH_MAX)) {
      throw badRequest(`the body of the request is nested deeper than ${BODY_DEPTH_MAX}`);
    }
    const keys = object ? new Keys() : undefined;
    this.#stack.push({ keys, key: "", index: 0, expectKey: object });
    this.#at++;
  }

  /** Where the scanner stands: the key or index in each of the containers around it. */
  #path(): string {
    let path = "";
    for (const { keys, key, index } of this.#stack) {
      if (keys === undefined) path += `[${index}]`;
      else path = path === "" ? key : `${path}.${key}`;
    }
    return path;
  }

  #close(): void {
    this.#stack.pop();
    this.#at++;
  }

  #comma(): void {
    const top = this.#stack.at(-1);
    if (top) {
      top.index++;
      top.expectKey = top.keys !== undefined;
    }
    this.#at++;
  }

  #string(): void {
    const from = this.#at;
    const text = this.#text;
    let at = from + 1;
    for (;;) {
      const end = text.indexOf('"', at);
      if (end < 0) {
        this.#at = text.length;
        return;
      }
      let slashes = 0;
      while (text.charCodeAt(end - 1 - slashes) === 0x5c) slashes++;
      at = end + 1;
      if (slashes % 2 === 0) break;
    }
    this.#at = at;
    const top = this.#stack.at(-1);
    if (top?.keys && top.expectKey) this.#key(top, text.slice(from + 1, at - 1));
  }

  #key(top: Frame, key: string): void {
    top.key = key;
    top.expectKey = false;
    if (top.keys!.add(key) || this.duplicates.length === ODDITIES_MAX) return;
    const path = this.#path().slice(0, ODDITY_CHARACTERS_MAX);
    this.duplicates.push(`duplicate field ${JSON.stringify(path)}`);
  }
}
