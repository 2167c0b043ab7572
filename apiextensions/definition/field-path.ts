/** Paths of rules and selectable fields through a schema. */
import { memberSchema } from "../defaults.ts";
import type { Structural } from "../structural.ts";

/** The place that a path leads to, or why it leads nowhere. */
export type Found =
  | { readonly path: readonly string[]; readonly schema: Structural }
  | { readonly wrong: string };

/** Texts between the delimiters, which are tokens themselves; a quoted text is one token. */
const TOKEN = /'(?:\\.|[^'\\])*'|[.[\]]|[^.[\]]+/gs;

/** Follows `.spec.a['b']` through a schema. Source: upstream's ValidFieldPath. */
export function schemaAt(whole: Structural, text: string, mayIndex: boolean): Found {
  const tokens = text.match(TOKEN) ?? [];
  const path: string[] = [];
  let schema = whole;
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!;
    if (token !== "." && token !== "[") return { wrong: `expected [ or . but got: ${token}` };
    if (token === "[" && !mayIndex) return { wrong: "array notation is not allowed" };
    let name = tokens[++at];
    if (name === undefined) return { wrong: "unexpected end of JSON path" };
    if (token === "[") {
      if (!/^'.*'$/s.test(name)) return { wrong: `expected single quoted string but got ${name}` };
      name = name.slice(1, -1).replace(/\\(.)/gs, "$1");
      const end = tokens[++at];
      if (end === undefined) return { wrong: "unexpected end of JSON path" };
      if (end !== "]") return { wrong: `expected ] but got ${end}` };
    }
    const next: Structural | undefined =
      schema.properties !== undefined ? schema.properties.get(name) : memberSchema(schema);
    if (next === undefined) return { wrong: "does not refer to a valid field" };
    path.push(name);
    schema = next;
  }
  return { path, schema };
}
