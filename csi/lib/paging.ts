import { aborted, invalidArgument } from "./errors.ts";

/** One page of a list, and the token of the next page, empty on the last. */
export type Page<T> = { items: T[]; nextToken: string };

/**
 * Cuts a page out of `items`, which are sorted by `keyOf`. A token is the last key handed out, so a
 * page neither skips nor repeats what stayed while something else was added or deleted.
 * `maxEntries` 0 means all. Throws ABORTED for a token that no list gave (CSI spec, ListVolumes
 * errors).
 */
export function pageOf<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  request: { maxEntries: number; startingToken: string },
): Page<T> {
  const { maxEntries, startingToken } = request;
  if (maxEntries < 0) throw invalidArgument(`max_entries is negative: ${maxEntries}`);
  const after = startingToken === "" ? "" : decodeToken(startingToken);
  const rest = items.filter((item) => keyOf(item) > after);
  const size = maxEntries === 0 ? rest.length : maxEntries;
  const page = rest.slice(0, size);
  const last = page.at(-1);
  const more = rest.length > page.length && last !== undefined;
  return { items: page, nextToken: more ? encodeToken(keyOf(last)) : "" };
}

const TOKEN_PREFIX = "after:";

const encodeToken = (key: string): string => Buffer.from(TOKEN_PREFIX + key).toString("base64url");

function decodeToken(token: string): string {
  const text = Buffer.from(token, "base64url").toString();
  if (!text.startsWith(TOKEN_PREFIX) || encodeToken(text.slice(TOKEN_PREFIX.length)) !== token) {
    throw aborted(`starting_token ${JSON.stringify(token)} was not given by this plugin`);
  }
  return text.slice(TOKEN_PREFIX.length);
}
