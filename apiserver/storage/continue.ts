import { badRequest } from "../errors/catalog.ts";
import { goSyntaxError } from "../http/json-syntax.ts";

/** Where a list that was cut goes on: behind `key`, at `revision` (or -1: at whatever is now). */
export interface ContinueToken {
  revision: number;
  /** The key to start from, without the kind's prefix. */
  start: string;
}

const VERSION = "meta.k8s.io/v1";

/** The token as upstream writes it, so that either apiserver continues the other's lists. */
export function encodeContinue(token: ContinueToken): string {
  const body = JSON.stringify({ v: VERSION, rv: token.revision, start: `${token.start}\0` });
  return Buffer.from(body).toString("base64url");
}

/** Throws 400 on a token that no apiserver has written. */
export function decodeContinue(text: string): ContinueToken {
  const bytes = Buffer.from(text, "base64url");
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.toString("utf8"));
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    const why = goSyntaxError(bytes);
    throw badRequest(`invalid continue token: continue key is not valid: ${why}`);
  }
  const { v, rv, start } = (parsed ?? {}) as { v?: unknown; rv?: unknown; start?: unknown };
  const revision = typeof rv === "number" && Number.isSafeInteger(rv) && rv !== 0 ? rv : undefined;
  const inside = typeof start === "string" && start !== "" && !/^\/|\.\.\//.test(start);
  if (v !== VERSION || revision === undefined || !inside) {
    throw badRequest("continue key is not valid: incorrect encoded start resourceVersion");
  }
  return { revision, start };
}
