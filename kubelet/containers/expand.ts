import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { EXPANDED_BYTES_MAX, EXPANDED_OF_POD_BYTES_MAX, VARIABLE_BYTES } from "../limits.ts";
import { containersOf } from "../pods/pod-identity.ts";

/**
 * Budget for one container's expanded variables: each may repeat those before it, so that a few
 * lines could expand beyond all memory. The containers of `pod` have equal parts of its own bound.
 */
export class ExpansionBudget {
  readonly #most: number;
  #left: number;

  constructor(pod?: Pod) {
    const ofPod = pod ? Math.floor(EXPANDED_OF_POD_BYTES_MAX / containersOf(pod).length) : 0;
    this.#most = pod ? Math.min(EXPANDED_BYTES_MAX, ofPod) : EXPANDED_BYTES_MAX;
    this.#left = this.#most;
  }

  /** Takes a variable with its name and value, as `take` does. */
  takeVariable(name: string, value: string): void {
    this.#left -= VARIABLE_BYTES;
    this.take(name);
    this.take(value);
  }

  /**
   * Takes the text from the budget, as long as it is in config.json, and returns it. Throws
   * RangeError when the budget is exceeded.
   */
  take(text: string): string {
    this.#left -= text.length > this.#left ? text.length : jsonBytes(text);
    if (this.#left >= 0) return text;
    throw new RangeError(
      "environment or command line too long: with variables expanded, more than " +
        `${this.#most} bytes of JSON, a container's part of what its pod may have`,
    );
  }
}

/** The bytes of a text in JSON at most, of which a control character is six. */
function jsonBytes(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20) bytes += 5;
    else if (code === QUOTE || code === BACKSLASH) bytes += 1;
    else if (code >= 0x80) bytes += code >= 0x800 ? 2 : 1;
  }
  return bytes;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Replaces `$(NAME)` by its value; an unknown name stays as it is, `$$(NAME)` becomes `$(NAME)`.
 * Throws RangeError when the result exceeds `budget`. Source: API reference, `command`, `args` and
 * `env[].value`.
 */
export function expand(
  text: string,
  lookup: (name: string) => string | undefined,
  budget: ExpansionBudget,
): string {
  let out = "";
  let at = 0;
  const lastClose = text.lastIndexOf(")");
  const emit = (piece: string) => (out += budget.take(piece));
  while (at < text.length) {
    const dollar = text.indexOf("$", at);
    if (dollar === -1 || dollar + 1 === text.length) {
      emit(text.slice(at));
      break;
    }
    emit(text.slice(at, dollar));
    const next = text[dollar + 1];
    at = dollar + 2;
    if (next === "(") {
      if (at > lastClose) {
        emit("$(");
        continue;
      }
      const close = text.indexOf(")", at);
      const name = text.slice(at, close);
      emit(lookup(name) ?? `$(${name})`);
      at = close + 1;
    } else emit(next === "$" ? "$" : `$${next}`);
  }
  return out;
}

/**
 * Expands as `expand` does, but throws RangeError naming an unknown variable. Source: API
 * reference, `subPathExpr`.
 */
export function expandStrictly(text: string, lookup: (name: string) => string | undefined): string {
  const found = (name: string) => {
    const value = lookup(name);
    if (value === undefined) throw new RangeError(`missing value for ${JSON.stringify(name)}`);
    return value;
  };
  return expand(text, found, new ExpansionBudget());
}
