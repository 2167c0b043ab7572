import type { Incoming } from "./context.ts";

/** Headers of names that fit, as they were sent: values are UTF-8, which Node takes for Latin-1. */
function headersOf(
  { rawHeaders: raw }: Incoming,
  fits: (name: string) => boolean,
): [name: string, value: string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    if (fits(name)) pairs.push([name, Buffer.from(raw[i + 1]!, "latin1").toString("utf8")]);
  }
  return pairs;
}

/** The values of a header, one by one; Node joins them. `header` is in lower case. */
export const valuesOf = (request: Incoming, header: string): string[] =>
  headersOf(request, (name) => name === header).map(([, value]) => value);

/** The extra of a user: values by the rest of the names of headers that start with a prefix. */
export function extrasOf(request: Incoming, ...prefixes: string[]): Record<string, string[]> {
  const extras = new Map<string, string[]>();
  for (const prefix of prefixes) {
    for (const [name, value] of headersOf(request, (each) => each.startsWith(prefix))) {
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
