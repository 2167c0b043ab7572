import { ANSWER_MS_MAX, BODY_BYTES_MAX } from "../limits.ts";

const PREFIX = "ingress.r2k.io/";
const REWRITE = "rewrite-prefix";
const TIMEOUT = "timeout";
const BODY = "body-size-max";

/** Options of an Ingress, from its annotations. */
export interface Options {
  /** Takes the place of the path that a rule names. */
  readonly rewrite?: string;
  readonly timeout_ms?: number;
  readonly bodyBytesMax?: number;
}

/** Reads the annotations with our prefix; each that is unknown or not usable is a problem. */
export function readAnnotations(
  annotations: Readonly<Record<string, string>>,
): { options: Options; problems: string[] } {
  const options: { -readonly [K in keyof Options]: Options[K] } = {};
  const problems: string[] = [];
  for (const [key, value] of Object.entries(annotations)) {
    if (!key.startsWith(PREFIX)) continue;
    const shown = JSON.stringify(value.slice(0, 64));
    const need = (what: string) => problems.push(`${key}: ${shown} is not ${what}`);
    switch (key.slice(PREFIX.length)) {
      case REWRITE:
        if (isPath(value)) options.rewrite = value;
        else need("a path");
        break;
      case TIMEOUT: {
        const timeout_ms = sized(value, TIMES, ANSWER_MS_MAX);
        if (timeout_ms === undefined) need("a time such as 90s");
        else options.timeout_ms = timeout_ms;
        break;
      }
      case BODY: {
        const bodyBytesMax = sized(value, SIZES, BODY_BYTES_MAX);
        if (bodyBytesMax === undefined) need("a size such as 1Mi");
        else options.bodyBytesMax = bodyBytesMax;
        break;
      }
      default:
        problems.push(`${key.slice(0, 128)}: there is no such annotation`);
    }
  }
  return { options, problems };
}

/** A path as clients send it (RFC 3986), percent-encoded. */
export function isPath(text: string): boolean {
  return text.length <= 1024 && /^\/([\w.~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*$/.test(text);
}

const TIMES: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const SIZES: Readonly<Record<string, number>> = { "": 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

/** A number with a unit; 1 to `most`. */
function sized(
  text: string, units: Readonly<Record<string, number>>, most: number,
): number | undefined {
  const [, digits, unit = ""] = /^(\d{1,12})([A-Za-z]*)$/.exec(text) ?? [];
  if (digits === undefined || !Object.hasOwn(units, unit)) return undefined;
  const value = Number(digits) * units[unit]!;
  return value >= 1 && value <= most ? value : undefined;
}
