import { describe, expect, it } from "vitest";
import { decodeObject, encodeObject, readEnvelope } from "../../api/codec/envelope.ts";
import { decodeJson } from "../../api/codec/json.ts";
import { cachedGoldens, goldens } from "./golden.ts";

const directory = cachedGoldens();
const files = goldens(directory);

const extent = directory === undefined ? "the committed few" : "all of k8s.io/api";

describe(`golden files (${extent})`, () => {
  it("are there", () => {
    expect(files.length).toBeGreaterThan(directory === undefined ? 8 : 90);
  });

  it.each(files)("$name: JSON comes back as it was", ({ schema, json }) => {
    const { object, unknownFields } = decodeJson(schema, json);
    expect(unknownFields).toEqual([]);
    expect(object).toEqual(json);
  });

  it.each(files)("$name: protobuf gives the object of the JSON", ({ schema, json, protobuf }) => {
    expect(decodeObject(schema, readEnvelope(protobuf))).toEqual(json);
  });

  it.each(files)("$name: is written with upstream's bytes", ({ schema, json, protobuf }) => {
    const { object } = decodeJson<object>(schema, json);
    expect(encodeObject(schema, object).equals(protobuf)).toBe(true);
  });
});
