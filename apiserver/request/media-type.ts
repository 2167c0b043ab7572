import { withoutEnd } from "@raft2kube/std/text.ts";
import { ACCEPT_RANGES_MAX } from "../limits.ts";

/**
 * One media range of an Accept header, or a Content-Type:
 * `application/json;as=Table;g=meta.k8s.io`.
 */
export type MediaType = { type: string; parameters: Record<string, string>; quality: number };

/** The parts of a media type; parameter values keep their case. */
export function parseMediaType(text: string): MediaType {
  const [head = "", ...rest] = text.split(";");
  const media: MediaType = { type: head.trim().toLowerCase(), parameters: {}, quality: 1 };
  for (const part of rest) {
    const at = part.indexOf("=");
    if (at < 0) continue;
    const name = part.slice(0, at).trim().toLowerCase();
    const value = part
      .slice(at + 1)
      .trim()
      .replace(/^"(.*)"$/, "$1");
    if (name === "q") media.quality = Number(value);
    else if (name !== "__proto__") media.parameters[name] = value;
  }
  return media;
}

/**
 * The ranges of an Accept header, the most wanted first; an empty header accepts anything. As the
 * library that upstream reads it with: what is no range is left out, a weight of 0 is the least
 * and no refusal, and one that is no number counts as 0. Ranges past ACCEPT_RANGES_MAX are left
 * out.
 */
export function parseAccept(header: string): MediaType[] {
  if (header === "") return [{ type: "*/*", parameters: {}, quality: 1 }];
  const ranges = header.split(",", ACCEPT_RANGES_MAX).flatMap((part) => rangeOf(part) ?? []);
  return sorted(ranges);
}

function rangeOf(part: string): MediaType | undefined {
  const [head = "", ...rest] = part.split(";");
  const [first = "", second = "", ...more] = head.split("/").map(trimmed);
  if (more.length > 0 || (second === "" && first !== "*")) return undefined;
  const media: MediaType = { type: `${first}/${second || "*"}`, parameters: {}, quality: 1 };
  for (const each of rest) {
    const [name = "", value = "", ...others] = each.split("=");
    if (value === "" || others.length > 0) continue;
    if (trimmed(name) === "q") media.quality = weightOf(value);
    else if (trimmed(name) !== "__proto__") media.parameters[trimmed(name)] = trimmed(value);
  }
  return media;
}

const trimmed = (text: string): string => withoutEnd(text.replace(/^ +/, ""), " ");

const weightOf = (text: string): number =>
  /^[+-]?(\d+(?:\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : 0;

/**
 * Sorts ranges as upstream's library, whose comparison is no order: by quality, else exact before
 * `*`. So the steps in which it sorts a short list are part of its result.
 */
function sorted(ranges: MediaType[]): MediaType[] {
  for (let end = 1; end < ranges.length; end++) {
    for (let at = end; at > 0 && goesBefore(ranges[at]!, ranges[at - 1]!); at--) {
      [ranges[at - 1], ranges[at]] = [ranges[at]!, ranges[at - 1]!];
    }
  }
  return ranges;
}

function goesBefore(a: MediaType, b: MediaType): boolean {
  if (a.quality > b.quality) return true;
  if (!a.type.startsWith("*/") && b.type.startsWith("*/")) return true;
  return !a.type.endsWith("/*") && b.type.endsWith("/*");
}

/** Whether `range` (`*\/*`, `application/*`, `application/json`) takes `type`. */
export function accepts(range: string, type: string): boolean {
  if (range === type || range === "*/*") return true;
  return range.endsWith("/*") && type.startsWith(range.slice(0, -1));
}
