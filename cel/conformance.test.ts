/** The tests of cel-spec, which scripts/cel-testdata.ts converted. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { BINDINGS, TWO_VARIABLE_COMPREHENSIONS } from "./comprehensions.ts";
import { Environment } from "./environment.ts";
import { OPTIONALS } from "./optionals.ts";
import { parseType, parseValue, same } from "./testing/cases.ts";
import { isError, type Value } from "./value.ts";

interface Case {
  readonly name: string;
  readonly expr: string;
  readonly container?: string;
  readonly variables?: Readonly<Record<string, string>>;
  readonly bindings?: Readonly<Record<string, unknown>>;
  readonly value?: unknown;
  readonly type?: string;
  readonly error?: string;
}

const FILES = [
  "basic",
  "bindings_ext",
  "comparisons",
  "conversions",
  "fields",
  "fp_math",
  "integer_math",
  "lists",
  "logic",
  "macros",
  "macros2",
  "namespace",
  "optionals",
  "parse",
  "plumbing",
  "string",
  "timestamps",
  "type_deduction",
];

const BASE = new Environment({
  libraries: [OPTIONALS, TWO_VARIABLE_COMPREHENSIONS, BINDINGS],
  escapedFields: true,
});

function mapped<T>(record: Readonly<Record<string, unknown>>, to: (each: never) => T) {
  return Object.fromEntries(Object.entries(record).map(([key, each]) => [key, to(each as never)]));
}

/** A case's complaint about its outcome; undefined when it is right. */
function complaint(each: Case): string | undefined {
  const { expr, container = "", variables = {}, bindings = {}, type } = each;
  const types = mapped(variables, parseType);
  const { program, errors } = BASE.extend({ container, variables: types }).compile(expr);
  if (errors !== undefined) return each.error === undefined ? errors.message : undefined;
  if (type !== undefined && program.type.toString() !== parseType(type).toString()) {
    return `type ${program.type}`;
  }
  if (each.error === undefined && !("value" in each)) return undefined;
  const { value } = program.evaluate(mapped<Value>(bindings, parseValue));
  if (each.error !== undefined) return isError(value) ? undefined : `no error: ${String(value)}`;
  if (isError(value)) return value.message;
  return same(value, parseValue(each.value)) ? undefined : `${String(value)}`;
}

/** Where cel-go differs from the specification, Kubernetes does too. */
const AS_CEL_GO = new Set([
  // A later entry replaces one of the same key.
  "fields/qualified_identifier_resolution/map_value_repeat_key",
  "fields/qualified_identifier_resolution/map_value_repeat_key_heterogeneous",
  // Presence tests of what has no fields are false, unless an environment makes them errors.
  "optionals/optionals/map_null_entry_no_such_key",
  "optionals/optionals/map_present_key_invalid_field",
  // Null is the more general type.
  "type_deduction/legacy_nullable_types/null_assignable_to_abstract_parameter_candidate",
]);

describe.each(FILES)("cel-spec's tests of %s", (file) => {
  const path = join(import.meta.dirname, `testdata/conformance/${file}.yaml`);
  const sections = parse(readFileSync(path, "utf8")) as Record<string, Case[]>;
  it.each(Object.keys(sections))("%s", (section) => {
    const wrong = sections[section]!.flatMap((each) => {
      const found = complaint(each);
      const label = `${file}/${section}/${each.name}`;
      if (AS_CEL_GO.has(label)) return found === undefined ? [`${label}: passes`] : [];
      return found === undefined ? [] : [`${label}: ${each.expr} gives ${found}`];
    });
    expect(wrong).toEqual([]);
  });
});
