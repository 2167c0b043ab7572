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

/** `12.3MB`, by powers of 1000, as docker's lists have sizes. */
export function sizeWords(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < 4) [value, unit] = [value / 1000, unit + 1];
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${Number(value.toFixed(digits))}${["B", "kB", "MB", "GB", "TB"][unit]}`;
}

/** `{"a":"b"}` as `a=b`. */
export function labelWords(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");
}
