import { expect, test } from "vitest";
import { StateAgreement } from "./agreement.ts";

test("state agreement: looks before and after the model's are both compared", () => {
  const agreement = new StateAgreement();
  agreement.seen(1n, 3, "a");
  agreement.expect(3, () => "a");
  agreement.seen(2n, 3, "a");
  expect(agreement.compared).toBe(2);
  expect(() => agreement.seen(3n, 3, "b")).toThrow("3 at 3 has\n  b\nand should have\n  a");
  agreement.seen(1n, 4, "c");
  expect(() => agreement.expect(4, () => "d")).toThrow("state agreement");
});
