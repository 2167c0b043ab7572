import { matcherOf } from "./wildcard.ts";

/**
 * Returns which places of a context are left out by the text of a .dockerignore: the last pattern
 * that fits decides, `!` brings back, and a directory stands for all beneath it.
 */
export function ignoredBy(text: string): (place: string) => boolean {
  const rules = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const isException = line.startsWith("!");
      const pattern = (isException ? line.slice(1) : line).trim().replace(/^\/+|(?<!\/)\/+$/g, "");
      return { isException, fits: matcherOf(pattern.replace(/^(\.\/)+/, "")) };
    });
  return (place) => {
    const names = place.split("/");
    const above = names.map((_, at) => names.slice(0, at + 1).join("/"));
    return rules.reduce(
      (isIgnored, { isException, fits }) => (above.some(fits) ? !isException : isIgnored),
      false,
    );
  };
}
