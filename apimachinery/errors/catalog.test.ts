import { invalid as invalidField } from "@raft2kube/api/errors.ts";
import { SHOWN_VALUE_CHARACTERS_MAX } from "@raft2kube/api/limits.ts";
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

it("a value of a megabyte is shown by its start and its length, the rule whole", () => {
  const finding = invalidField("patch", "9".repeat(1_000_000), "quantities must match");
  const { status } = invalid({ group: "", name: "" }, "", [finding]);
  const { message = "", details } = status;
  expect(message.length).toBeLessThan(SHOWN_VALUE_CHARACTERS_MAX + 200);
  expect(message).toMatch(/^ "" is invalid: patch: Invalid value: "9+\.\.\. \(\d+ characters\): q/);
  expect(message).toContain(details?.causes?.[0]?.message);
  const longest = invalidField("patch", "9".repeat(SHOWN_VALUE_CHARACTERS_MAX - 4), "no");
  const whole = invalid({ group: "", name: "" }, "", [longest]).status.message;
  expect(whole).toMatch(/Invalid value: "9+": no$/);
});
