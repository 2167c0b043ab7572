import { expect, test } from "vitest";
import { CONNECTION_SHARES, CONNECTIONS_BOUND_MIN, CONNECTIONS_MAX_DEFAULT } from "../limits.ts";
import { connectionBound } from "./connection-bound.ts";

test("a pod's bound is a share of the table, and never none", () => {
  expect(connectionBound("262144")).toBe(262_144 / CONNECTION_SHARES);
  for (const endless of ["0", "", "no number"]) {
    expect(connectionBound(endless)).toBe(CONNECTIONS_MAX_DEFAULT / CONNECTION_SHARES);
  }
  expect(connectionBound("7")).toBe(CONNECTIONS_BOUND_MIN);
});
