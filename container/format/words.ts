const SHORT = 12;

/** An id as lists have it. */
export const shortId = (id: string): string => id.replace(/^sha256:/, "").slice(0, SHORT);

const SPANS = [
  [60, 1, "second"],
  [3_600, 60, "minute"],
  [48 * 3_600, 3_600, "hour"],
  [14 * 86_400, 86_400, "day"],
  [60 * 86_400, 7 * 86_400, "week"],
  [730 * 86_400, 30 * 86_400, "month"],
  [Infinity, 365 * 86_400, "year"],
] as const;

/** A time span in docker's words: `2 hours`, `About a minute`. */
export function spanWords(span_ms: number): string {
  const seconds = Math.max(0, Math.floor(span_ms / 1000));
  if (seconds === 0) return "Less than a second";
  const [, unit, name] = SPANS.find(([limit]) => seconds < limit)!;
  const count = Math.floor(seconds / unit);
  if (count !== 1) return `${count} ${name}s`;
  return name === "minute" ? "About a minute" : name === "hour" ? "About an hour" : `1 ${name}`;
}

/** How long ago a time was; `N/A` for none. */
export function agoWords(now_ms: number, then_ms: number): string {
  return then_ms ? `${spanWords(now_ms - then_ms)} ago` : "N/A";
}

/** A time as docker's lists have it: `2026-01-02 03:04:05 +0000 UTC`. */
export const timeWords = (time_ms: number): string =>
  new Date(time_ms).toISOString().replace(/T(.*)\..*/, " $1 +0000 UTC");

function scaled(bytes: number, base: number, units: readonly string[], digits: number): string {
  let [value, at] = [bytes, 0];
  while (value >= base && at < units.length - 1) [value, at] = [value / base, at + 1];
  return `${Number(value.toPrecision(digits))}${units[at]}`;
}

/** `12.3MB`, by powers of 1000, as docker's lists have sizes. */
export const sizeWords = (bytes: number): string =>
  scaled(bytes, 1000, ["B", "kB", "MB", "GB", "TB"], 3);

/** `12.34MiB`, by powers of 1024, as docker has memory. */
export const binaryWords = (bytes: number): string =>
  scaled(bytes, 1024, ["B", "KiB", "MiB", "GiB", "TiB"], 4);

/** A text of so many characters at most. */
export const cut = (text: string, characters: number): string =>
  text.length > characters ? `${text.slice(0, characters - 1)}…` : text;

/** `{"a":"b"}` as `a=b`. */
export function labelWords(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");
}
