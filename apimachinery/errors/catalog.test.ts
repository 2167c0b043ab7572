import { invalid as invalidField } from "@raft2kube/api/errors.ts";
import { expect, it } from "vitest";
import { FINDINGS_CHARS_MAX } from "../limits.ts";
import { invalid } from "./catalog.ts";

it("findings that each show a list of a megabyte are a few, and the number of the others", () => {
  let shown = 0;
  const list = { toJSON: () => `${shown++}${"x".repeat(FINDINGS_CHARS_MAX / 2)}` };
  const finding = invalidField("metadata.ownerReferences", list, "only one may be so");
  const { status } = invalid({ group: "", name: "ConfigMap" }, "a", Array(10_000).fill(finding));
  expect([shown, status.details?.causes?.length]).toEqual([2, 2]);
  expect(status.message?.slice(-12)).toBe(", 9998 more]");
});
