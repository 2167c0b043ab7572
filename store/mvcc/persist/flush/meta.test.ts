import { expect, test } from "vitest";
import { initialMembership } from "../../../core/membership.ts";
import { decodeCommand } from "../../apply/command.ts";
import { decodeMeta, encodeMeta, STATE_FORMAT_VERSION } from "./meta.ts";

const meta = {
  ...{ clusterId: 7n, memberId: 2n ** 63n, appliedIndex: 5, appliedTerm: 2, revision: 3 },
  ...{ compactRevision: -1, compactedRevision: -1, membership: initialMembership([1n, 2n]) },
};

test("the state's record is read as it was written", () => {
  expect(decodeMeta(encodeMeta(meta))).toEqual(meta);
});

test("a later format of the state is refused, naming both", () => {
  const next = STATE_FORMAT_VERSION + 1;
  const stored = { ...(JSON.parse(encodeMeta(meta).toString()) as object), format: next };
  const reported = `state format ${next}; this release reads ${STATE_FORMAT_VERSION}`;
  expect(() => decodeMeta(Buffer.from(JSON.stringify(stored)))).toThrow(reported);
});

test("S8: a record of the state that cannot be read stops the member", () => {
  const cut = encodeMeta(meta).subarray(0, 20);
  expect(() => decodeMeta(cut)).toThrow(expect.objectContaining({ code: "STATE_DAMAGED" }));
});

test("a command of a later release is refused by its number", () => {
  const later = Buffer.alloc(20, 0);
  later[0] = 250;
  expect(() => decodeCommand(later)).toThrow("a command of unknown kind 250");
});
