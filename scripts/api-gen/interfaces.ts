/** Writes the TypeScript interfaces of one package from its facts. Pure. */

import type { FieldFact, PackageFacts, TypeFact } from "../../api/facts.ts";

const SCALARS: Readonly<Record<string, string>> = {
  string: "string",
  bool: "boolean",
  int32: "number",
  int64: "number",
  double: "number",
};

/** Types of `api/scalars.ts`, by their name in the facts. */
const SPECIALS: Readonly<Record<string, string>> = {
  bytes: "Bytes",
  Time: "Time",
  MicroTime: "MicroTime",
  Duration: "Duration",
  Quantity: "Quantity",
  IntOrString: "IntOrString",
  RawExtension: "RawExtension",
  FieldsV1: "FieldsV1",
  JSON: "JSONValue",
  SchemaOrArray: "SchemaOrArray",
  SchemaOrBool: "SchemaOrBool",
  SchemaOrStrings: "SchemaOrStrings",
};

/** A file's imports, collected while its types are written. */
type Imports = { readonly scalars: Set<string>; readonly packages: Map<string, Set<string>> };

function written(type: string, imports: Imports): string {
  if (type.startsWith("[]")) {
    const member = written(type.slice(2), imports);
    return `${member.includes(" ") ? `(${member})` : member}[]`;
  }
  if (type.startsWith("{}")) return `{ [key: string]: ${written(type.slice(2), imports)} }`;
  const scalar = SCALARS[type];
  if (scalar !== undefined) return scalar;
  const special = SPECIALS[type];
  if (special !== undefined) {
    imports.scalars.add(special);
    return special;
  }
  const dot = type.indexOf(".");
  if (dot === -1) return type;
  const name = type.slice(dot + 1);
  const from = type.slice(0, dot);
  imports.packages.set(from, (imports.packages.get(from) ?? new Set()).add(name));
  return name;
}

/** Every stored object has metadata and, where its kind has one, a spec: those are never absent. */
function isOptional(field: FieldFact, owner: TypeFact): boolean {
  const whole =
    owner.typeMeta === true &&
    field.pointer !== true &&
    (field.name === "metadata" || field.name === "spec");
  if (whole) return false;
  return field.omitempty === true || field.omitzero === true;
}

function interfaceText(name: string, type: TypeFact, imports: Imports): string {
  const fields = type.fields ?? [];
  const parents = fields.filter((each) => each.inline).map((each) => written(each.type, imports));
  const head = parents.length === 0 ? name : `${name} extends ${parents.join(", ")}`;
  const lines = fields
    .filter((each) => !each.inline)
    .map((each) => {
      const key = /^[A-Za-z_]\w*$/.test(each.name) ? each.name : JSON.stringify(each.name);
      return `  ${key}${isOptional(each, type) ? "?" : ""}: ${written(each.type, imports)};`;
    });
  const meta = type.typeMeta ? ["  apiVersion?: string;", "  kind?: string;"] : [];
  const body = [...meta, ...lines].join("\n");
  if (body === "" && parents.length > 0) return `export type ${name} = ${parents.join(" & ")};`;
  return `export interface ${head} {\n${body}\n}`;
}

function aliasText(name: string, type: TypeFact, imports: Imports): string {
  if (type.closed && type.values !== undefined && type.base === "string") {
    const values = type.values.map((each) => `\n  | ${JSON.stringify(each)}`).join("");
    return `export type ${name} =${values};`;
  }
  return `export type ${name} = ${written(type.base ?? "JSON", imports)};`;
}

/** The whole text of `api/gen/<package>.ts`. */
export function interfacesText(facts: PackageFacts): string {
  const imports: Imports = { scalars: new Set(), packages: new Map() };
  const bodies = Object.entries(facts.types).map(([name, type]) =>
    type.fields === undefined ? aliasText(name, type, imports) : interfaceText(name, type, imports),
  );
  const lines = [...imports.packages]
    .sort()
    .map(([from, names]) => importText([...names].sort(), `../${from}.ts`));
  if (imports.scalars.size > 0) {
    lines.push(importText([...imports.scalars].sort(), "../../scalars.ts"));
  }
  const group = facts.group === "" ? "core" : facts.group;
  const made = "made from facts by scripts/api-gen.ts";
  const title = `/** The types of ${group}/${facts.version}, ${made}. */`;
  return `${[title, lines.join("\n"), ...bodies].filter((each) => each !== "").join("\n\n")}\n`;
}

function importText(names: readonly string[], from: string): string {
  const line = `import type { ${names.join(", ")} } from "${from}";`;
  if (line.length <= 100) return line;
  return `import type {\n${names.map((each) => `  ${each},\n`).join("")}} from "${from}";`;
}
