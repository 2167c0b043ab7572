import type { Incoming } from "./context.ts";

/** Headers as they were sent: their values are UTF-8, which Node takes for Latin-1. */
function rawHeaders({ rawHeaders: raw }: Incoming): [name: string, value: string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    pairs.push([raw[i]!.toLowerCase(), Buffer.from(raw[i + 1]!, "latin1").toString("utf8")]);
  }
  return pairs;
}

/** The values of a header, one by one; Node joins them. `header` is in lower case. */
export function valuesOf(request: Incoming, header: string): string[] {
  return rawHeaders(request).flatMap(([name, value]) => (name === header ? [value] : []));
}

/** The extra of a user: values by the rest of the names of headers that start with a prefix. */
export function extrasOf(request: Incoming, ...prefixes: string[]): Record<string, string[]> {
  const extras = new Map<string, string[]>();
  const headers = rawHeaders(request);
  for (const prefix of prefixes) {
    for (const [name, value] of headers) {
      if (!name.startsWith(prefix)) continue;
      const key = unescaped(name.slice(prefix.length));
      extras.set(key, [...(extras.get(key) ?? []), value]);
    }
  }
  return Object.fromEntries(extras);
}

/** Unescapes a key, whose bytes are UTF-8; one with an invalid escape is kept, as upstream does. */
function unescaped(key: string): string {
  if (/%(?![0-9a-f]{2})/i.test(key)) return key;
  const byteOf = (_: string, hex: string) => String.fromCharCode(Number.parseInt(hex, 16));
  return Buffer.from(key.replaceAll(/%(..)/g, byteOf), "latin1").toString("utf8");
}
