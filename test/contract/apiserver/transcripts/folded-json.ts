const WIDTH = 100;

/**
 * Returns a JSON value as text in lines of at most 100 characters where its strings allow it:
 * members that fit share a line, a longer one starts a line of its own. `JSON.parse` reads it.
 */
export function foldedJson(value: unknown, indent = "", before = 0): string {
  const flat = spaced(value);
  const isScalar = typeof value !== "object" || value === null;
  if (isScalar || indent.length + before + flat.length < WIDTH) return flat;
  const inner = `${indent} `;
  const members = Array.isArray(value)
    ? value.map((each) => foldedJson(each, inner))
    : Object.entries(value).map(([name, member]) => {
        const key = `${JSON.stringify(name)}: `;
        return key + foldedJson(member, inner, key.length);
      });
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return open + filled(members, inner) + close;
}

/** Members divided by commas, as many to a line as fit; the first stands where the text goes on. */
function filled(members: readonly string[], indent: string): string {
  const lines: string[] = [];
  for (const member of members) {
    const last = lines.at(-1);
    const joined = `${last}, ${member}`;
    const fits = indent.length + joined.length < WIDTH && !joined.includes("\n");
    if (last !== undefined && fits) lines[lines.length - 1] = joined;
    else lines.push(member);
  }
  return lines.join(`,\n${indent}`);
}

/** The value in one line, with blanks after colons and commas. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}: ${spaced(member)}`,
  );
  return `{${members.join(", ")}}`;
}
