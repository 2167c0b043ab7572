import type { KubeObject } from "@raft2kube/api/kind.ts";
import { expect, it } from "vitest";
import { CountedTurns } from "../../../testing/turns.ts";
import type { CacheEvent } from "../../cache/event.ts";
import { serveReview } from "../../handlers/reviews/reviews.ts";
import type { ApiServer } from "../../handlers/server.ts";
import { REVIEWED_CHARS_MAX, RULE_NAMES_OF_TURN } from "../../limits.ts";
import type { RequestContext } from "../../request/context.ts";
import type { Resource } from "../../resource/resource.ts";
import type { Resources } from "../../resource/resources.ts";
import { aboutResource } from "../attributes.ts";
import { rbacAuthorizer } from "./rbac-authorizer.ts";
import { RoleIndex } from "./role-index.ts";

/** An index, and a way to hand it events. */
async function followed() {
  const takes = new Map<string, (event: CacheEvent) => void>();
  const cacheOf = (plural: string) => ({
    subscribe: (take: (event: CacheEvent) => void) => void takes.set(plural, take),
  });
  const of = (_version: string, plural: string) => ({
    cache: () => Promise.resolve(cacheOf(plural)),
  });
  const index = await RoleIndex.follow({ of } as unknown as Resources);
  const send = (
    type: CacheEvent["type"],
    plural: string,
    namespace: string,
    name: string,
    more: object = {},
  ) => {
    const object = (): KubeObject => ({ metadata: { namespace, name }, ...more });
    const entry = { key: `/${plural}/${namespace}/${name}`, namespace, name, object };
    takes.get(plural)!({ type, entry } as unknown as CacheEvent);
  };
  return { index, send };
}

const kind = "Group";
const [reader, everyone] = ["reader", { kind, name: "everyone" }];
const user = { name: "alice", groups: [everyone.name] };
const binding = { roleRef: { kind: "ClusterRole", name: reader }, subjects: [everyone] };
const BINDINGS = 1_000;

const heldIn = (index: RoleIndex, namespace: string) =>
  [...index.rulesFor(user, namespace)].filter((each) => each !== undefined);

it("bindings of one role hold its rules once, and cost nothing in other namespaces", async () => {
  const { index, send } = await followed();
  const rules = [{ verbs: ["get"] }];
  send("ADDED", "clusterroles", "", reader, { rules });
  for (let i = 0; i < BINDINGS; i++) send("ADDED", "rolebindings", "flood", `b${i}`, binding);
  expect(heldIn(index, "flood").map(({ rule }) => rule)).toEqual(rules);
  const seen = counted("values", () => [...index.rulesFor(user, "other")]);
  expect(seen).toBe(0);
  send("DELETED", "rolebindings", "flood", "b0");
  const [held] = heldIn(index, "flood");
  expect(held?.reason()).toContain(
    'RoleBinding "b1/flood" of ClusterRole "reader" to Group "everyone"',
  );
});

it("nothing is kept of bindings that are gone", async () => {
  const { index, send } = await followed();
  let kept = 0;
  const { set, delete: remove } = Map.prototype;
  Map.prototype.set = function (key, value) {
    if (!this.has(key)) kept++;
    return set.call(this, key, value);
  };
  Map.prototype.delete = function (key) {
    const isGone = remove.call(this, key);
    if (isGone) kept--;
    return isGone;
  };
  try {
    const subjects = (letter: string) =>
      Array.from({ length: 100 }, (_, i) => ({ kind, name: `${letter}${i}` }));
    for (const letter of ["a", "b"]) {
      const more = { ...binding, subjects: subjects(letter) };
      send("MODIFIED", "rolebindings", "n", "b", more);
    }
    send("DELETED", "rolebindings", "n", "b");
  } finally {
    Object.assign(Map.prototype, { set, delete: remove });
  }
  expect(kept).toBe(0);
  expect([...index.rulesFor({ name: "b", groups: ["b1"] }, "n")]).toEqual([]);
});

/** An index of roles with so many names each, of which the last alone has the one asked for. */
async function large(roles: number, names: number) {
  const { index, send } = await followed();
  for (let i = 1; i <= roles; i++) {
    const resourceNames = Array.from({ length: names }, (_, n) => `n${n}`);
    if (i === roles) resourceNames.push("wanted");
    const rule = { verbs: ["get"], apiGroups: [""], resources: ["pods"], resourceNames };
    send("ADDED", "roles", "flood", `r${i}`, { rules: [rule] });
    const roleRef = { kind: "Role", name: `r${i}` };
    send("ADDED", "rolebindings", "flood", `b${i}`, { ...binding, roleRef });
  }
  return index;
}

/** How many turns of the event loop pass while a user is refused a pod, or may get it. */
async function turnsOf(index: RoleIndex, name: string, verdict: string): Promise<number> {
  using turns = new CountedTurns();
  const asked = { user, verb: "get", version: "v1", resource: "pods", namespace: "flood", name };
  const decision = await rbacAuthorizer(index)(aboutResource(asked));
  expect(decision.verdict).toBe(verdict);
  return turns.now;
}

it("a request is compared with large roles in turns of the event loop", async () => {
  const index = await large(10, RULE_NAMES_OF_TURN);
  expect(await turnsOf(index, "wanted", "allow")).toBeGreaterThan(0);
  expect(await turnsOf(index, "other", "no-opinion")).toBeGreaterThan(0);
});

it("a request looks at many bindings of one role in turns", async () => {
  const { index, send } = await followed();
  for (let i = 0; i < BINDINGS; i++) send("ADDED", "rolebindings", "flood", `b${i}`, binding);
  expect(await turnsOf(index, "other", "no-opinion")).toBeGreaterThan(0);
});

it("a review of one's rules leaves out what is beyond a bound, and says so", async () => {
  const { index: roles, send } = await followed();
  // One name each, as long as a role may be.
  const resourceNames = ["n".repeat(REVIEWED_CHARS_MAX / 3)];
  for (const name of ["a", "b", "c", "d"]) {
    const rule = { verbs: ["get"], apiGroups: [""], resources: ["pods"], resourceNames };
    send("ADDED", "roles", "flood", name, { rules: [rule] });
    send("ADDED", "rolebindings", "flood", name, { ...binding, roleRef: { kind: "Role", name } });
  }
  const server = {
    roles,
    authorizer: { types: ["RBAC"] },
    clock: { now: () => 0 },
  } as unknown as ApiServer;
  const resource = { kind: { kind: "SelfSubjectRulesReview" } } as Resource;
  const context = { info: { namespace: "" }, user } as unknown as RequestContext;
  const review = { metadata: {}, spec: { namespace: "flood" } };
  const answer = await serveReview(server, resource, context, review);
  expect(answer).toMatchObject({
    object: {
      status: {
        incomplete: true,
        resourceRules: [{}, {}],
        evaluationError: expect.stringContaining("are left out") as string,
      },
    },
  });
});

/** How many values of maps are looked at while something runs. */
function counted(method: "values", run: () => unknown): number {
  const original = Map.prototype[method];
  let seen = 0;
  Map.prototype[method] = function* (this: Map<unknown, unknown>) {
    for (const value of original.call(this)) {
      seen++;
      yield value;
    }
  } as typeof original;
  try {
    run();
  } finally {
    Map.prototype[method] = original;
  }
  return seen;
}
