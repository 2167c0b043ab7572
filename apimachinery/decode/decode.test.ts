import { expect, it } from "vitest";
import { decodeBody, type FieldValidation } from "./decode.ts";
import { JSON_TYPE, YAML_TYPE } from "./media-types.ts";

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
