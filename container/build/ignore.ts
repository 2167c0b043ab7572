/** A place of the context, or a pattern of it, as a regular expression. */
function expressionOf(pattern: string): RegExp {
  let source = "";
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!;
    if (pattern.startsWith("**/", at)) {
      source += "(?:.*/)?";
      at += 2;
    } else if (pattern.startsWith("**", at)) {
      source += ".*";
      at += 1;
    } else if (char === "*") source += "[^/]*";
    else if (char === "?") source += "[^/]";
    else if (char === "[") {
      const end = pattern.indexOf("]", at + 1);
      if (end < 0) source += "\\[";
      else {
        source += `[${pattern.slice(at + 1, end).replace(/\\/g, "\\\\")}]`;
        at = end;
      }
    } else if (char === "\\")
      source += (pattern[++at] ?? "\\").replace(/[\\^$.|?*+()[\]{}]/g, "\\$&");
    else source += char.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&");
  }
  return new RegExp(`^${source}$`, "s");
}

/** Whether a name in a directory matches a part of a pattern (Go's filepath.Match). */
export function matchesName(pattern: string, name: string): boolean {
  return expressionOf(pattern).test(name);
}

/**
 * Returns which places of a context are left out by the text of a .dockerignore: the last pattern
 * that fits decides, `!` brings back, and a directory stands for all beneath it.
 */
export function ignoredBy(text: string): (place: string) => boolean {
  const rules = text.split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const isException = line.startsWith("!");
      const pattern = (isException ? line.slice(1) : line).trim().replace(/^\/+|\/+$/g, "");
      return { isException, expression: expressionOf(pattern.replace(/^(\.\/)+/, "")) };
    });
  return (place) => {
    const parts = place.split("/");
    const above = parts.map((_, at) => parts.slice(0, at + 1).join("/"));
    let isIgnored = false;
    for (const { isException, expression } of rules) {
      if (above.some((each) => expression.test(each))) isIgnored = !isException;
    }
    return isIgnored;
  };
}
