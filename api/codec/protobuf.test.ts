import { describe, expect, it } from "vitest";
import { DecodeError } from "./decode-error.ts";
import { decodeProtobuf, encodeProtobuf } from "./protobuf.ts";

const decode = (schema: string, hex: string) =>
  decodeProtobuf<object>(schema, Buffer.from(hex, "hex"));

describe("bytes that are no message of the kind", () => {
  it.each([
    ["a wire type that there is not", "fc01", "proto: illegal wireType 4"],
    ["a number where a structure stands", "0805", "proto: wrong wireType = 0 for field metadata"],
    [
      "eight bytes where a map stands",
      "110000000000000000",
      "proto: wrong wireType = 1 for field data",
    ],
    ["a number without its end", "ff", "proto: index out of range"],
    ["a structure without its end", "0aff", "proto: index out of range"],
  ])("%s", (_name, hex, message) => {
    expect(() => decode("core/v1.ConfigMap", hex)).toThrow(DecodeError);
    expect(() => decode("core/v1.ConfigMap", hex)).toThrow(message);
  });

  it.each([
    ["the year 139,000", "08cde2cdffffff00"],
    ["the last second of int64", "08ffffffffffffffff7f"],
    ["before the year 0", "08ffffffffffffffffff8001"],
    ["more nanoseconds than a second has", "10ffffffff07"],
  ])("a time that RFC 3339 cannot write: %s", (_name, time) => {
    // LeaseSpec: renewTime = 4.
    const length = (time.length / 2).toString(16).padStart(2, "0");
    expect(() => decode("coordination/v1.LeaseSpec", `22${length}${time}`)).toThrow(DecodeError);
  });

  it("a text where a number stands", () => {
    // ContainerPort: containerPort = 3.
    expect(() => decode("core/v1.ContainerPort", "1a0161")).toThrow(
      "proto: wrong wireType = 2 for field containerPort",
    );
  });
});

it("an embedded object has no more levels than a body", () => {
  const schema = "meta/v1.ManagedFieldsEntry";
  const nested = (levels: number): object => (levels === 0 ? {} : { "f:a": nested(levels - 1) });
  const decoded = (levels: number) =>
    decodeProtobuf(schema, encodeProtobuf(schema, { fieldsV1: nested(levels) } as object));
  expect(decoded(150)).toEqual({ fieldsV1: nested(150) });
  expect(() => decoded(1_000)).toThrow("proto: exceeded max depth");
});

it("an embedded integer of 64 bits keeps its digits", () => {
  const schema = "apps/v1.ControllerRevision";
  const data = { v: 2n ** 53n + 1n };
  expect(decodeProtobuf(schema, encodeProtobuf(schema, { data }))).toMatchObject({ data });
});

it.each([
  // Field, then an entry that has a key of one letter alone.
  ["a quantity", "core/v1.ResourceRequirements", "0a", { limits: { a: "0" } }],
  ["bytes", "core/v1.Secret", "12", { metadata: {}, data: { a: "" } }],
  ["a text", "core/v1.ConfigMap", "12", { metadata: {}, data: { a: "" } }],
  ["a structure", "apiextensions/v1.JSONSchemaProps", "ea01", { properties: { a: {} } }],
])("a map entry without a value has the zero value: %s", (_name, schema, tag, expected) => {
  expect(decode(schema, `${tag}030a0161`)).toEqual(expected);
});

it("a quantity is canonical or refused", () => {
  const schema = "core/v1.ResourceFieldSelector";
  const decoded = (divisor: string) =>
    decodeProtobuf(schema, encodeProtobuf(schema, { resource: "limits.cpu", divisor }));
  expect(decoded("1000m")).toEqual({ resource: "limits.cpu", divisor: "1" });
  for (const text of ["abc", "1x", "9".repeat(1_000_000)]) {
    expect(() => decoded(text)).toThrow(DecodeError);
  }
});

it("unknown fields of every wire type are skipped", () => {
  // Field 100 as a number, eight bytes, a text and four bytes.
  const unknown = "a00601" + "a1060000000000000000" + "a2060161" + "a50600000000";
  expect(decode("core/v1.ConfigMap", unknown)).toEqual(decode("core/v1.ConfigMap", ""));
});

it("a list of numbers is read packed and not", () => {
  const expected = { supplementalGroups: [1, 300] };
  // PodSecurityContext: supplementalGroups = 4.
  expect(decode("core/v1.PodSecurityContext", "200120ac02")).toMatchObject(expected);
  expect(decode("core/v1.PodSecurityContext", "220301ac02")).toMatchObject(expected);
});

it("a whole number is held exactly or refused", () => {
  const schema = "core/v1.PodSecurityContext";
  for (const runAsUser of [Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 0]) {
    const bytes = encodeProtobuf(schema, { runAsUser });
    expect(decodeProtobuf(schema, bytes)).toMatchObject({ runAsUser });
  }
  // runAsUser = 2: 2^53 + 1.
  expect(() => decode(schema, "1081808080808080" + "10")).toThrow(
    "proto: the number 9007199254740993 cannot be held exactly",
  );
});
