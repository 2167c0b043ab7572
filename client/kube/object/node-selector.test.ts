import { expect, it } from "vitest";
import { meets } from "./node-selector.ts";

const compared = (operator: "Gt" | "Lt", bound: string, value = "7") =>
  meets({ key: "size", operator, values: [bound] }, { size: value });

it("Gt and Lt compare integers of 64 bits", () => {
  expect([compared("Gt", "6"), compared("Gt", "007"), compared("Lt", "8")]).toEqual([
    true,
    false,
    true,
  ]);
  expect(compared("Gt", "-9223372036854775808", "9223372036854775807")).toBe(true);
  expect(compared("Lt", "9223372036854775808")).toBe(false);
  expect([compared("Lt", "x"), compared("Lt", "1.5"), compared("Gt", "1", "x")]).toEqual([
    false,
    false,
    false,
  ]);
});
