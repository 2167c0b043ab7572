/**
 * Replaces `$(NAME)` by its value; an unknown name stays as it is, `$$(NAME)` becomes `$(NAME)`.
 * Source: the API's words on `command`, `args` and `env[].value`.
 */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  let out = "";
  let at = 0;
  while (at < text.length) {
    const dollar = text.indexOf("$", at);
    if (dollar === -1 || dollar + 1 === text.length) return out + text.slice(at);
    out += text.slice(at, dollar);
    const next = text[dollar + 1];
    if (next === "(") {
      const close = text.indexOf(")", dollar + 2);
      if (close === -1) {
        out += "$(";
        at = dollar + 2;
        continue;
      }
      const name = text.slice(dollar + 2, close);
      out += lookup(name) ?? `$(${name})`;
      at = close + 1;
    } else if (next === "$") {
      out += "$";
      at = dollar + 2;
    } else {
      out += `$${next}`;
      at = dollar + 2;
    }
  }
  return out;
}

/**
 * As `expand`, but an unknown name is an error, as subPathExpr demands.
 * Throws RangeError naming the missing variable.
 */
export function expandStrictly(text: string, lookup: (name: string) => string | undefined): string {
  return expand(text, (name) => {
    const value = lookup(name);
    if (value === undefined) throw new RangeError(`missing value for ${JSON.stringify(name)}`);
    return value;
  });
}
