import { ANSWER_MS_MAX, BODY_BYTES_MAX } from "../limits.ts";

const PREFIX = "ingress.r2k.io/";

/** Options of an Ingress, from its annotations. */
export interface Options {
  /** Takes the place of the path that a rule names. */
  readonly rewrite?: string;
  readonly timeout_ms?: number;
  readonly bodyBytesMax?: number;
}

const TIMES: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const SIZES: Readonly<Record<string, number>> = { "": 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

/** Annotations, each with its option, what it must be, and how it is read. */
const ANNOTATIONS = new Map<string, readonly [
  option: keyof Options, what: string, read: (text: string) => string | number | undefined,
]>([
  ["rewrite-prefix", ["rewrite", "a path", (text) => isPath(text) ? text : undefined]],
  ["timeout", ["timeout_ms", "a time such as 90s", (text) => sized(text, TIMES, ANSWER_MS_MAX)]],
  ["body-size-max",
    ["bodyBytesMax", "a size such as 1Mi", (text) => sized(text, SIZES, BODY_BYTES_MAX)]],
]);

/** Reads the annotations with our prefix; each that is unknown or not usable is a problem. */
export function readAnnotations(
  annotations: Readonly<Record<string, string>>,
): { options: Options; problems: string[] } {
  const options: Record<string, string | number> = {};
  const problems: string[] = [];
  for (const [key, text] of Object.entries(annotations)) {
    if (!key.startsWith(PREFIX)) continue;
    const [option = "", what, read] = ANNOTATIONS.get(key.slice(PREFIX.length)) ?? [];
    const value = read?.(text);
    if (value !== undefined) options[option] = value;
    else if (!read) problems.push(`${key.slice(0, 128)}: there is no such annotation`);
    else problems.push(`${key}: ${JSON.stringify(text.slice(0, 64))} is not ${what}`);
  }
  return { options, problems };
}

/** A path as clients send it (RFC 3986), percent-encoded. */
export function isPath(text: string): boolean {
  return text.length <= 1024 && /^\/([\w.~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*$/.test(text);
}

/** A number with a unit; 1 to `most`. */
function sized(
  text: string, units: Readonly<Record<string, number>>, most: number,
): number | undefined {
  const [, digits, unit = ""] = /^(\d{1,12})([A-Za-z]*)$/.exec(text) ?? [];
  if (digits === undefined || !Object.hasOwn(units, unit)) return undefined;
  const value = Number(digits) * units[unit]!;
  return value >= 1 && value <= most ? value : undefined;
}
