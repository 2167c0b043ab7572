import { normalize } from "node:path/posix";
import type { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { badRequest } from "@raft2kube/apimachinery/errors/catalog.ts";
import { goSyntaxError } from "@raft2kube/apimachinery/json/go-syntax.ts";

/** Where a list that was cut continues: after `key`, at `revision` (or -1: at the newest). */
export interface ContinueToken {
  revision: number;
  /**
   * A key without the kind's prefix: to encode, the last one of the page; decoded, the first one
   * after it, which has a zero byte at its end.
   */
  start: string;
}

const VERSION = "meta.k8s.io/v1";

/** The token as upstream writes it, so that either apiserver continues the other's lists. */
export function encodeContinue(token: ContinueToken): string {
  const body = JSON.stringify({ v: VERSION, rv: token.revision, start: `${token.start}\0` });
  return Buffer.from(body).toString("base64url");
}

/** Throws 400 on a token that no apiserver has written, or that leads out of the kind's keys. */
export function decodeContinue(text: string): ContinueToken {
  const misplaced = misplacedIn(text);
  if (misplaced >= 0) throw notValid(`: illegal base64 data at input byte ${misplaced}`);
  const decoded = Buffer.from(text, "base64url").toString("utf8");
  let parsed: unknown;
  try {
    parsed = JSON.parse(decoded);
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    throw notValid(`: ${goSyntaxError(decoded, thrown)}`);
  }
  const { v = "", rv, start } = (parsed ?? {}) as { v?: unknown; rv?: unknown; start?: unknown };
  if (v !== VERSION) {
    throw notValid(`: server does not recognize this encoded version ${String(v)}`);
  }
  const revision = typeof rv === "number" && Number.isSafeInteger(rv) && rv !== 0 ? rv : undefined;
  if (revision === undefined) throw notValid(`: incorrect encoded start resourceVersion ${FORM}`);
  if (typeof start !== "string" || start === "") {
    throw notValid(`: encoded start key empty ${FORM}`);
  }
  const key = start.startsWith("/") ? start : `/${start}`;
  if (normalize(key).replace(/(.)\/$/s, "$1") !== key) throw notValid(`: ${start}`);
  return { revision, start: key.slice(1) };
}

const FORM = "(version meta.k8s.io/v1)";

const notValid = (why: string): ApiError =>
  badRequest(`invalid continue token: continue key is not valid${why}`);

/** Where text stops being base64 as Go reads it: a strange character, or one that is left over. */
function misplacedIn(text: string): number {
  const strange = text.search(/[^A-Za-z0-9_-]/);
  if (strange >= 0) return strange;
  return text.length % 4 === 1 ? text.length - 1 : -1;
}
