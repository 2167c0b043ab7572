import type { PolicyRule } from "@raft2kube/api/gen/rbac/v1.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { atOnce } from "@raft2kube/std/slices.ts";
import { expect, it } from "vitest";
import { CountedTurns, mostInOneTurn } from "../../../testing/turns.ts";
import type { Resource } from "../../resource/resource.ts";
import { uncovered } from "./covers.ts";
import { checkEscalation, type Rights } from "./escalation.ts";

const pods = { verbs: ["get"], apiGroups: [""], resources: ["pods"] };

/** Resolves once a user who holds some rules may grant others. */
function granted(held: readonly PolicyRule[], rules: PolicyRule[]): Promise<void> {
  const rights = {
    authorizer: { decide: () => Promise.resolve({ verdict: "no-opinion" }) },
    roles: { rulesFor: () => held.map((rule) => ({ rule })) },
  } as unknown as Rights;
  const kind = { group: "rbac.authorization.k8s.io", plural: "roles" };
  const resource = { kind, subject: { group: kind.group, name: "roles" } } as unknown as Resource;
  const user = { name: "admin", groups: [] };
  return checkEscalation(rights, user, resource, { metadata: {}, rules }, undefined, "n");
}

it("names are looked for in one pass over a list of as many", () => {
  const names = Array.from({ length: 2_000 }, (_, n) => `n${n}`);
  let looked = 0;
  const resourceNames = new Proxy(names, {
    get(of, key) {
      if (key !== "length") looked++;
      return Reflect.get(of, key) as unknown;
    },
  });
  expect(
    atOnce(uncovered([{ ...pods, resourceNames }], [{ ...pods, resourceNames: names }])),
  ).toEqual([]);
  expect(looked).toBeLessThan(2 * names.length);
});

it("a role is compared with those of its writer in turns of the event loop", async () => {
  using turns = new CountedTurns();
  const clock = systemClock();
  const looked: number[] = [];
  const rule = {
    ...{ apiGroups: [""], resources: ["secrets"] },
    get verbs() {
      looked.push(turns.now);
      // As long as a long list takes.
      const until_ms = clock.monotonic() + 12;
      while (clock.monotonic() < until_ms);
      return ["get"];
    },
  };
  await expect(granted([rule, rule, rule, rule], [pods])).rejects.toThrow("not currently held");
  // Each step looks twice, to compare and to count, and the first one after the last collected.
  expect(mostInOneTurn(looked)).toBeLessThanOrEqual(3);
  expect(looked).toHaveLength(4 * 2 * 2);
});

it("a role is refused if its writer holds too many names to compare it with", async () => {
  const resourceNames = { length: 20_000_000 } as string[];
  const held = [{ ...pods, resources: ["secrets"], resourceNames }];
  await expect(granted(held, [pods, pods, pods])).rejects.toThrow("too many to compare");
});
