/**
 * Names of properties as identifiers of expressions: `a-b` is `a__dash__b`, and a word that the
 * language reserves has underscores around it. Source: k8s.io/apiserver/pkg/cel/escaping.go.
 */

/** The words that are no names. */
export const RESERVED: ReadonlySet<string> = new Set(
  (
    "true false null in as break const continue else for function if import let loop package " +
    "namespace return var void while"
  ).split(" "),
);

const ESCAPES: Readonly<Record<string, string>> = {
  __: "__underscores__",
  ".": "__dot__",
  "-": "__dash__",
  "/": "__slash__",
};
const UNESCAPES = new Map(Object.entries(ESCAPES).map(([plain, escaped]) => [escaped, plain]));

/** The identifier of a property; undefined when no expression can name it. */
export function escapeName(name: string): string | undefined {
  if (!/^[a-zA-Z_./-][a-zA-Z0-9_./-]*$/.test(name)) return undefined;
  if (RESERVED.has(name)) return `__${name}__`;
  return name.replace(/__|[-./]/g, (each) => ESCAPES[each]!);
}

/** Whether a text can name a variable. */
export function isIdentifier(text: string): boolean {
  return /^[a-zA-Z_]\w*$/.test(text) && !RESERVED.has(text);
}

/** The property of an identifier; undefined when it has an escape that there is not. */
export function unescapeName(identifier: string): string | undefined {
  if (!identifier.includes("__")) return identifier;
  let isValid = true;
  const name = identifier.replace(/__[^_]+__/g, (escape) => {
    const word = escape.slice(2, -2);
    const plain = UNESCAPES.get(escape) ?? (RESERVED.has(word) ? word : undefined);
    const isWhole = plain !== word || escape === identifier;
    isValid &&= plain !== undefined && isWhole;
    return plain ?? "";
  });
  return isValid ? name : undefined;
}
