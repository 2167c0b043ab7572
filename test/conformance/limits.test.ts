import { expect, test } from "vitest";
import { checkClusterName } from "../../cli/spec/config.ts";
import { CLUSTER } from "./limits.ts";

test("the cluster's name is one that r2k start takes", () => {
  expect(checkClusterName(CLUSTER)).toBe(CLUSTER);
});
