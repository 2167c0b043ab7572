import { expect, it } from "vitest";
import { decodeBody, type FieldValidation, parseBody } from "./decode.ts";
import { JSON_TYPE, YAML_TYPE } from "./media-types.ts";
import { parseYaml } from "./yaml-document.ts";

const kind = { group: "", version: "v1", kind: "ConfigMap" };

it.each([
  [
    JSON_TYPE,
    '{"data": {"a": "1", "a": "2"}, "x": 1}',
    ['unknown field "x"', 'duplicate field "data.a"'],
  ],
  [
    YAML_TYPE,
    "data: {a: '1', a: '2'}\nx: 1\n",
    [expect.stringMatching(/^line 1: key "a" /), 'unknown field "x"'],
  ],
])("warnings about a body in %s are in the order of the strict error", async (type, body, all) => {
  const warnings: string[] = [];
  const decode = (fieldValidation: FieldValidation) =>
    decodeBody(type, Buffer.from(body), {
      kind,
      schema: "core/v1.ConfigMap",
      fieldValidation,
      warnings,
    });
  await decode("Warn");
  expect(warnings).toEqual(all);
  await expect(decode("Strict")).rejects.toThrow(warnings.slice(-1)[0]);
});

it.each([
  '{"a": [1, -2.5, true, null, "\\ud83d\\ude00", 9223372036854775807, 99999999999999999999], "b": {}}',
  '{"a": 1, "a": 2}',
  '{"a": 1e3, "b": 1e999, "c": -1E-999, "d": -0}',
  '{"a": "\u0085b"}',
  '{"a": "\\ud800", "__proto__": 1, "<<": {"b": 2}}',
  '{"a": 1}\n---\n{"b": 2}',
  "{a: yes, b: 2026-01-02}",
])("YAML that looks like JSON has the value that it has as YAML: %s", async (text) => {
  const body = Buffer.from(text);
  expect(await parseBody(YAML_TYPE, body)).toStrictEqual(parseYaml(body));
});
