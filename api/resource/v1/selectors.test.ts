import { compiling } from "@raft2kube/cel/budget.ts";
import { StepsExceededError } from "@raft2kube/cel/failures.ts";
import { describe, expect, it } from "vitest";
import type { DeviceRequest } from "../../gen/resource/v1.ts";
import { requestNames, validateDeviceClaim } from "./device-claim.ts";

function request(name: string, expressions: readonly string[]): DeviceRequest {
  const selectors = expressions.map((expression) => ({ cel: { expression } }));
  const exactly = {
    deviceClassName: "gpu",
    allocationMode: "ExactCount" as const,
    count: 1,
    selectors,
  };
  return { name, exactly };
}

const complaints = (...requests: DeviceRequest[]) =>
  validateDeviceClaim({ requests }, "devices").map(({ type, field, detail }) => ({
    type,
    field,
    detail,
  }));

const tooLarge = (request: number, selector: number) => ({
  type: "FieldValueForbidden",
  field: `devices.requests[${request}].exactly.selectors[${selector}].cel.expression`,
  detail: expect.stringContaining("too large to be compiled"),
});

describe("selectors of a claim are refused when they are too large together", () => {
  const pattern = (index: number) => `'a'.matches('(${"abcdefghij".repeat(8)}${index}){1000}')`;

  it("patterns of one expression", () => {
    expect(complaints(request("a", [`${pattern(1)} || ${pattern(2)}`]))).toEqual([tooLarge(0, 0)]);
  });

  it("patterns of several requests, and none after it is looked at", () => {
    const found = complaints(request("a", [pattern(3)]), request("b", ["true", pattern(4), "1"]));
    expect(found).toEqual([tooLarge(1, 1)]);
  });

  it("patterns whose ranges are folded, character by character", () => {
    const wide = `device.driver.matches('(?i)${"[B-\u{1e943}]".repeat(20)}')`;
    expect(complaints(request("a", [wide, wide]))).toEqual([tooLarge(0, 1)]);
  });

  it.each([
    ["expressions of many nodes", `[${"1,".repeat(4_000)}1] != []`],
    ["expressions that cannot be parsed", "a ".repeat(5_000)],
    ["macros that copy many nodes", `optional.of(1)${".optFlatMap(x, x)".repeat(20)}`],
  ])("%s", (_, expression) => {
    const found = complaints(
      request(
        "a",
        Array.from({ length: 32 }, () => expression),
      ),
    );
    expect(found.at(-1)).toMatchObject({ type: "FieldValueForbidden" });
  });

  it("or compiled off the event loop, where they are less so", () => {
    const expression = `[${"1,".repeat(2_000)}1] != []`;
    const selectors = Array.from({ length: 4 }, () => expression);
    expect(complaints(request("a", selectors))).toEqual([]);
    expect(() => compiling(true, () => complaints(request("a", selectors)))).toThrow(
      StepsExceededError,
    );
  });

  it("while a hundred of a usual size are none", () => {
    const usual = (index: number) =>
      `device.driver == 'gpu.example.com' && device.attributes['gpu.example.com'].model` +
      `.matches('^a${index}.*$') && device.capacity['gpu.example.com'].memory` +
      `.compareTo(quantity('${index}Gi')) >= 0`;
    const expressions = Array.from({ length: 25 }, (_, index) => usual(index));
    const requests = ["a", "b", "c", "d"].map((name) => request(name, expressions));
    expect(complaints(...requests)).toEqual([]);
  });
});

it("a request's name is not repeated for alternatives beyond their bound", () => {
  const firstAvailable = Array.from({ length: 100 }, (_, at) => ({
    name: `a${at}`,
    deviceClassName: "c",
  }));
  expect([...requestNames({ requests: [{ name: "r", firstAvailable }] })].slice(-2)).toEqual([
    "r/a6",
    "r/a7",
  ]);
});
