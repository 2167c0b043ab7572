import { expect, it } from "vitest";
import { Environment } from "./environment.ts";
import { fromJson, Message, toJson } from "./json.ts";
import type { TypeProvider } from "./library.ts";
import { BOOL, DYN, INT, listOf, objectType, STRING, TIMESTAMP } from "./types.ts";
import { isError } from "./value.ts";

const SPEC = objectType("Spec");
const PROVIDER: TypeProvider = {
  findType: (name) => (name === "Spec" ? SPEC : undefined),
  findField: (_type, field) =>
    ({
      size: { type: INT },
      names: { type: listOf(STRING) },
      since: { type: TIMESTAMP },
      __namespace__: { type: STRING, property: "namespace" },
      flag: { type: BOOL },
    })[field],
  fieldOf: (_type, property) => (property === "namespace" ? "__namespace__" : undefined),
  construct: (_type, fields) => new Message(SPEC, fields),
};
const ENVIRONMENT = new Environment({ variables: { self: SPEC, any: DYN }, provider: PROVIDER });
const SELF = {
  size: 3,
  names: ["a", "b"],
  since: "2024-02-29T12:00:00.5Z",
  namespace: "ns",
  unknown: 1,
};

function evaluate(text: string): unknown {
  const { program, errors } = ENVIRONMENT.compile(text);
  if (errors !== undefined) return errors.issues[0]!.message;
  const variables = {
    self: fromJson(SELF, SPEC, PROVIDER),
    any: fromJson({ list: [1, 1.5, null, "x"] }, DYN),
  };
  const { value } = program.evaluate(variables);
  return isError(value) ? value.message : toJson(value);
}

it.each([
  ["self.size + 1", 4],
  ["self.names.exists(each, each == 'b')", true],
  ["self.since.getFullYear() == 2024 && self.since > timestamp('2024-02-29T12:00:00Z')", true],
  ["self.__namespace__", "ns"],
  ["has(self.flag)", false],
  ["self.flag", "no such key: flag"],
  ["self.unknown", "undefined field 'unknown'"],
  ["self == self", true],
  ["any.list.map(each, type(each) == int)", [true, false, false, false]],
  ["any.list[1] + 1.0", 2.5],
  ["any.list[4]", "index out of bounds: 4"],
  ["any.other", "no such key: other"],
  ["{'a': [any.list[0], 2u], 'b': b'x'}", { a: [1, 2], b: "eA==" }],
  ["Spec{size: self.size, names: ['x']}", { size: 3, names: ["x"] }],
  ["Spec{size: 'x'}", "expected type of field 'size' is 'int' but provided type is 'string'"],
  ["Spec{size: 1} == Spec{size: 1}", true],
])("%s of JSON is %j", (text, result) => {
  expect(evaluate(text)).toEqual(result);
});
