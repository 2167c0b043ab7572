import { goDuration_ms } from "@raft2kube/std/go-values.ts";
import { isQuantity, valueOf } from "@raft2kube/std/quantity.ts";
import { ANSWER_MS_MAX, BODY_BYTES_MAX } from "../limits.ts";

const PREFIX = "ingress.r2k.io/";

/** Options of an Ingress, from its annotations. */
export interface Options {
  /** Takes the place of the path that a rule names. */
  readonly rewrite?: string;
  readonly timeout_ms?: number;
  readonly bodyBytesMax?: number;
}

/** Annotations, each with its option, what it must be, and how it is read. */
const ANNOTATIONS = new Map<
  string,
  readonly [
    option: keyof Options,
    what: string,
    read: (text: string) => string | number | undefined,
  ]
>([
  ["rewrite-prefix", ["rewrite", "a path", (text) => (isPath(text) ? text : undefined)]],
  [
    "timeout",
    ["timeout_ms", "a time such as 90s", (text) => within(goDuration_ms(text), ANSWER_MS_MAX)],
  ],
  [
    "body-size-max",
    [
      "bodyBytesMax",
      "a size such as 1Mi",
      (text) => within(isQuantity(text) ? valueOf(text) : 0, BODY_BYTES_MAX),
    ],
  ],
]);

/** Reads the annotations with our prefix; each that is unknown or not usable is a problem. */
export function readAnnotations(annotations: Readonly<Record<string, string>>): {
  options: Options;
  problems: string[];
} {
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

const within = (value = 0, most: number) =>
  value >= 1 && value <= most ? Math.round(value) : undefined;
