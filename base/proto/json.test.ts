import { expect, test } from "vitest";
import {
  AuthRoleGrantPermissionRequest,
  Compare,
  LeaseGrantRequest,
  RangeRequest,
  ResponseOp,
  TxnRequest,
  WatchCreateRequest,
} from "./gen/etcd.ts";
import { fromJson, JsonError, parseJson, toJson } from "./json.ts";

test("64-bit integers are strings, bytes base64, enums names; defaults are left out", () => {
  const given = { key: Buffer.from([0xff, 0]), revision: 5, sortOrder: 2 };
  expect(toJson(RangeRequest, { ...RangeRequest.create(), ...given })).toEqual({
    key: "/wA=",
    revision: "5",
    sort_order: "DESCEND",
  });
});

test("a oneof's member is written at its default", () => {
  const compare = { ...Compare.create(), lease: 0n, value: undefined };
  expect(toJson(Compare, compare)).toEqual({ lease: "0" });
  const op = { ...ResponseOp.create(), responsePut: {} };
  expect(toJson(ResponseOp, op)).toEqual({ response_put: {} });
});

test("an enum's unknown value stays a number", () => {
  const create = { ...WatchCreateRequest.create(), filters: [1, 9] };
  expect(toJson(WatchCreateRequest, create)).toEqual({ filters: ["NODELETE", 9] });
});

const lease = (text: string) =>
  LeaseGrantRequest.decode(fromJson(LeaseGrantRequest, parseJson(text)));

test("integers that a double cannot hold keep their value", () => {
  expect(lease('{"ID":9223372036854775807}').ID).toBe(9223372036854775807n);
  expect(lease('{"ID":"-9223372036854775808","TTL":1e3}')).toEqual({
    ID: -9223372036854775808n,
    TTL: 1_000,
  });
});

test("a number that stands for the greatest integer is written as it", () => {
  expect(toJson(LeaseGrantRequest, { ID: 1n, TTL: 2 ** 63 })).toEqual({
    ID: "1",
    TTL: "9223372036854775807",
  });
});

test.each([
  ["1e0", 1n],
  ["1.50e1", 15n],
  ["-0", 0n],
  ["10e-1", 1n],
  ["9223372036854775807", 2n ** 63n - 1n],
])("a string may have an exponent and a fraction: %s", (text, value) => {
  expect(lease(`{"ID":"${text}"}`).ID).toBe(value);
});

test.each(["01", "+1", " 1", "0x1", "1e-1", "1.5", "1e", "1e999", "1_0"])(
  "a string that is no whole number of JSON is refused: %s",
  (text) => expect(() => lease(`{"ID":"${text}"}`)).toThrow("expected an integer"),
);

test.each([`{"ID":"1","ID":"1"}`, `{"x":[{"a":{}},{"a":1,"a" : 2}]}`, `{"I\\u0044":"1","ID":"1"}`])(
  "an object with a name twice is refused: %s",
  (text) => {
    expect(() => parseJson(text)).toThrow(JsonError);
  },
);

test("a name may come again in another object, and in a value", () => {
  expect(parseJson(`{"a":"a","b":{"a":"\\"a\\":","c":["a","a"]}}`)).toEqual({
    a: "a",
    b: { a: '"a":', c: ["a", "a"] },
  });
});

test.each(["AA", "AA==", "-_8", "+/8="])("bytes in base64 or base64url: %s", (key) => {
  const bytes = RangeRequest.decode(fromJson(RangeRequest, { key })).key;
  expect(bytes).toEqual(Buffer.from(key, "base64"));
});

test.each([
  [RangeRequest, { key: "A" }, "RangeRequest.key: illegal base64 data"],
  [RangeRequest, { key: "A=A" }, "RangeRequest.key: illegal base64 data"],
  [RangeRequest, { key: "AAA==" }, "RangeRequest.key: illegal base64 data"],
  [RangeRequest, { key: "+_8=" }, "RangeRequest.key: illegal base64 data"],
  [RangeRequest, { limit: 1.5 }, "RangeRequest.limit: expected an integer, got a number"],
  [RangeRequest, { limit: "" }, "RangeRequest.limit: expected an integer, got a string"],
  [RangeRequest, { limit: "9223372036854775808" }, "does not fit 64 bits"],
  [RangeRequest, { sort_order: "constructor" }, "constructor is no value of this enum"],
  [RangeRequest, { sort_order: 2 ** 31 }, "does not fit 32 bits"],
  [RangeRequest, { serializable: "true" }, "expected a boolean, got a string"],
  [RangeRequest, { range_end: "", rangeEnd: "" }, "RangeRequest.rangeEnd: is already set"],
  [TxnRequest, { success: {} }, "TxnRequest.success: expected an array, got a object"],
  [TxnRequest, { success: [null] }, "TxnRequest.success[0]: expected an object, got null"],
  [
    TxnRequest,
    { success: [{ request_put: {}, requestRange: {} }] },
    "TxnRequest.success[0].requestRange: is already set",
  ],
  [AuthRoleGrantPermissionRequest, { perm: [] }, "perm: expected an object, got an array"],
])("%o refuses %o", (type, json, message) => {
  expect(() => fromJson(type as typeof RangeRequest, json)).toThrow(message);
});

test("values are bounded, strings of any length are not", () => {
  expect(() => parseJson(`[${"{},".repeat(200_000)}{}]`)).toThrow("more than 200000 values");
  expect(parseJson(`[${"0,".repeat(199_000)}0]`)).toHaveLength(199_001);
  expect(parseJson(`{"a":"${"\\n".repeat(4_000_000)}"}`)).toEqual({ a: "\n".repeat(4_000_000) });
  for (const text of [`{"a`, `{"a\\`, `{:1}`, `:`, `{"a":1}}`, `"`]) {
    expect(() => parseJson(text), text).toThrow(JsonError);
  }
});

test("depth is bounded", () => {
  let nested: unknown = {};
  for (let i = 0; i < 60; i++) nested = { success: [{ request_txn: nested }] };
  expect(() => fromJson(TxnRequest, nested)).toThrow("nested deeper than 100");
  expect(() => parseJson("[".repeat(200_000) + "]".repeat(200_000))).toThrow(/./);
});
