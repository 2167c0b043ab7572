import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import {
  type FakeServer,
  sendJson,
  startFakeServer,
} from "../../../testing/apiserver/fake-issuer.ts";
import { waitFor } from "../../../testing/wait.ts";
import { REMOTE_CALLS_MAX, REVIEW_BYTES_MAX, REVIEW_PAUSES, SHARE } from "../../limits.ts";
import { AuthorizationMetrics } from "../../metrics/access.ts";
import { type Attributes, aboutResource, selectorsIn } from "../attributes.ts";
import { Authorizer } from "../authorizer.ts";
import { authorizersOf } from "../authorizers.ts";
import { type AuthorizationConfig, readAuthorizationConfig } from "../config.ts";
import { specOf } from "./review-of.ts";

let server: FakeServer;
let seen: Record<string, unknown>[] = [];
/** The status that the webhook answers with. */
let status: unknown = {};
const reviewing: FakeServer["answer"] = (_, body, response) => {
  const review = JSON.parse(body) as Record<string, unknown>;
  seen.push(review);
  sendJson(response, { ...review, status });
};
beforeAll(async () => {
  server = await startFakeServer(reviewing);
});
afterAll(() => server.close());
beforeEach(() => {
  server.answer = reviewing;
  seen = [];
});

const WEBHOOK = {
  timeout: "3s",
  failurePolicy: "Deny",
  subjectAccessReviewVersion: "v1",
  connectionInfo: { type: "KubeConfigFile", kubeConfigFile: "/etc/hook.conf" },
};

const read = (authorizers: unknown): Promise<AuthorizationConfig> =>
  readAuthorizationConfig(
    JSON.stringify({
      kind: "AuthorizationConfiguration",
      apiVersion: "apiserver.config.k8s.io/v1",
      authorizers,
    }),
    () => Promise.resolve({ url: `${server.url}/authorize`, ca: server.ca }),
  );

/** A chain of these authorizers, on a clock that stands unless one is given. */
async function chain(
  authorizers: unknown,
  clock: ConstructorParameters<typeof Authorizer>[2] = systemClock(),
  registry = metricsRegistry(),
): Promise<Authorizer> {
  const metrics = new AuthorizationMetrics(registry);
  const config = await read(authorizers);
  return new Authorizer(
    authorizersOf(config, {
      clock,
      metrics,
      node: () => ({ verdict: "no-opinion", reason: "none" }),
      rbac: ({ verb }) => ({ verdict: verb === "get" ? "allow" : "no-opinion", reason: "" }),
    }),
    metrics,
    clock,
  );
}

const hook = (more: object = {}, name = "hook") => ({
  type: "Webhook",
  name,
  webhook: { ...WEBHOOK, ...more },
});
const jane = { name: "jane", groups: ["dev"], uid: "7", extra: { "example.org/k": ["v"] } };
const ask = (more: Partial<Attributes> = {}): Attributes =>
  aboutResource({ user: jane, verb: "list", resource: "pods", namespace: "a", ...more });

it("a webhook is asked by an access review, and its answer decides", async () => {
  const authorizer = await chain([hook()]);
  status = { allowed: true, reason: "because" };
  const labelSelector = "app in (a,b),!old,tier=web";
  const fieldSelector = "spec.nodeName=n1,status.phase!=Failed";
  expect(await authorizer.decide(ask(selectorsIn({ labelSelector, fieldSelector })))).toEqual({
    verdict: "allow",
    reason: "because",
  });
  expect(seen[0]).toMatchObject({
    kind: "SubjectAccessReview",
    apiVersion: "authorization.k8s.io/v1",
    spec: {
      user: "jane",
      groups: ["dev"],
      uid: "7",
      extra: { "example.org/k": ["v"] },
      resourceAttributes: {
        namespace: "a",
        verb: "list",
        version: "v1",
        resource: "pods",
        fieldSelector: {
          requirements: [
            { key: "spec.nodeName", operator: "In", values: ["n1"] },
            { key: "status.phase", operator: "NotIn", values: ["Failed"] },
          ],
        },
        labelSelector: {
          requirements: expect.arrayContaining([
            { key: "app", operator: "In", values: ["a", "b"] },
            { key: "old", operator: "DoesNotExist" },
            { key: "tier", operator: "In", values: ["web"] },
          ]) as unknown,
        },
      },
    },
  });
  status = { denied: true, reason: "no" };
  expect(await authorizer.decide(ask())).toMatchObject({ verdict: "deny", reason: "no" });
  status = {};
  expect(await authorizer.decide(ask({ verb: "watch" }))).toMatchObject({ verdict: "no-opinion" });
  const page = { ...ask(), resourceRequest: false, path: "/metrics", verb: "get" };
  expect(specOf(page)).toMatchObject({ nonResourceAttributes: { path: "/metrics", verb: "get" } });
});

it("v1beta1 names groups as it does", async () => {
  const authorizer = await chain([hook({ subjectAccessReviewVersion: "v1beta1" })]);
  status = { allowed: true };
  await authorizer.decide(ask());
  expect(seen[0]).toMatchObject({
    apiVersion: "authorization.k8s.io/v1beta1",
    spec: { group: ["dev"] },
  });
});

it("authorizers are asked in the order of the configuration", async () => {
  status = { denied: true };
  const get = ask({ verb: "get" });
  const first = await chain([hook(), { type: "RBAC", name: "rbac" }]);
  expect((await first.decide(get)).verdict).toBe("deny");
  const last = await chain([{ type: "RBAC", name: "rbac" }, hook()]);
  expect((await last.decide(get)).verdict).toBe("allow");
  const open = await chain([{ type: "AlwaysAllow", name: "open" }]);
  expect((await open.decide(ask())).verdict).toBe("allow");
  const shut = await chain([
    { type: "Node", name: "n" },
    { type: "AlwaysDeny", name: "shut" },
  ]);
  expect(await shut.decide(ask())).toEqual({
    verdict: "no-opinion",
    reason: "none\nEverything is forbidden.",
  });
  const master = ask({ user: { name: "root", groups: ["system:masters"] } });
  expect((await shut.decide(master)).verdict).toBe("allow");
});

it("conditions decide whether it is asked", async () => {
  const conditions = (...expressions: string[]) =>
    hook({
      matchConditionSubjectAccessReviewVersion: "v1",
      matchConditions: expressions.map((expression) => ({ expression })),
    });
  status = { denied: true };
  const verdictOf = async (expressions: string[], attributes = ask()) =>
    (await chain([conditions(...expressions)])).decide(attributes);
  expect(
    await verdictOf([
      "has(request.resourceAttributes)",
      "request.resourceAttributes.namespace == 'b'",
    ]),
  ).toMatchObject({ verdict: "no-opinion" });
  expect(seen).toHaveLength(0);
  expect(await verdictOf(["request.user == 'jane' && 'dev' in request.groups"])).toMatchObject({
    verdict: "deny",
  });
  expect(seen).toHaveLength(1);
  // An error counts only where no condition excludes the webhook.
  const path = "request.nonResourceAttributes.path == '/x'";
  expect(await verdictOf([path])).toMatchObject({
    verdict: "deny",
    error: expect.any(String) as string,
  });
  expect(await verdictOf([path, "request.user == 'joe'"])).toEqual({
    verdict: "no-opinion",
    reason: "",
  });
  expect(
    await verdictOf(
      ["request.resourceAttributes.labelSelector.requirements[0].key == 'x'"],
      ask(selectorsIn({ labelSelector: "x=1" })),
    ),
  ).toMatchObject({ verdict: "deny" });
  await expect(chain([conditions("request.nothing == 1")])).rejects.toThrow("compilation failed");
  await expect(chain([conditions("request.user")])).rejects.toThrow("must evaluate to bool");
});

it("answers are known for their time, and large questions are asked again", async () => {
  const clock = new ManualClock();
  const authorizer = await chain([hook({ authorizedTTL: "10s", unauthorizedTTL: "1s" })], clock);
  status = { allowed: true };
  await authorizer.decide(ask());
  await authorizer.decide(ask());
  expect(seen).toHaveLength(1);
  clock.advance(10_001);
  status = {};
  await authorizer.decide(ask());
  expect(seen).toHaveLength(2);
  clock.advance(1_001);
  await authorizer.decide(ask());
  expect(seen).toHaveLength(3);
  const long = ask({ name: "x".repeat(20_000) });
  await authorizer.decide(long);
  await authorizer.decide(long);
  expect(seen).toHaveLength(5);
});

const real = systemClock();
/** Pauses between attempts take a millisecond, attempts the time that they have. */
const clock = {
  ...real,
  after: (ms: number, act: () => void) => real.after(ms <= REVIEW_PAUSES.most_ms ? 1 : ms, act),
};

it("each attempt to ask a webhook is counted", async () => {
  const registry = metricsRegistry();
  const authorizer = await chain([hook()], clock, registry);
  status = { allowed: true };
  server.answer = (...exchange) => {
    server.answer = reviewing;
    exchange[2].writeHead(500).end();
  };
  expect(await authorizer.decide(ask())).toMatchObject({ verdict: "allow" });
  const text = await registry.metrics();
  for (const result of ["error", "success"]) {
    const labels = `{name="hook",result="${result}"}`;
    expect(text).toContain(`apiserver_authorization_webhook_evaluations_total${labels} 1\n`);
    expect(text).toContain(`apiserver_authorization_webhook_duration_seconds_count${labels} 1\n`);
  }
});

it("a webhook that lies, breaks off or answers garbage is asked no further", async () => {
  const answers: [FakeServer["answer"], string][] = [
    [(_, __, response) => void response.destroy(), "EOF"],
    [(_, __, response) => void response.writeHead(200).end("<html>"), "makes no sense"],
    [(_, __, response) => sendJson(response, [1]), "no Subject"],
    [(_, __, response) => sendJson(response, { kind: "Pod", status: { allowed: true } }), "no S"],
    [(_, body, response) => sendJson(response, { ...JSON.parse(body), status: "yes" }), "no sense"],
    [(_, __, response) => void response.writeHead(302, { location: "/x" }).end(), "redirects"],
    [(_, __, response) => void response.writeHead(403).end("go away"), "go away"],
    [
      (_, __, response) =>
        void response.writeHead(200).end(Buffer.alloc(REVIEW_BYTES_MAX + 1, " ")),
      "more than",
    ],
  ];
  const deny = await chain([hook()], clock);
  const open = await chain(
    [hook({ failurePolicy: "NoOpinion" }), { type: "RBAC", name: "r" }],
    clock,
  );
  for (const [answer, why] of answers) {
    server.answer = answer;
    const decision = await deny.decide(ask());
    expect(decision).toMatchObject({ verdict: "deny" });
    expect(decision.error).toContain(why);
    expect(await open.decide(ask({ verb: "get" }))).toMatchObject({ verdict: "allow" });
  }
  server.answer = reviewing;
  for (const lie of [{ allowed: "true" }, { allowed: 1 }, { allowed: [true] }]) {
    status = lie;
    const lied = ask({ name: JSON.stringify(lie) });
    expect(await deny.decide(lied)).toMatchObject({ verdict: "deny", error: /no sense/ });
    expect((await open.decide({ ...lied, verb: "update" })).verdict).toBe("no-opinion");
  }
  status = { allowed: true, denied: true };
  expect((await deny.decide(ask({ name: "both" }))).verdict).toBe("deny");
});

it("a webhook that hangs is given up, and one user's calls leave room for others'", async () => {
  server.answer = () => undefined;
  server.asked.clear();
  const clock = new ManualClock();
  const rbac = { type: "RBAC", name: "rbac" };
  const authorizer = await chain([hook({ failurePolicy: "NoOpinion" }), rbac], clock);
  const share = Math.ceil(REMOTE_CALLS_MAX * SHARE);
  // Each a service account of its own, whose namespace's editors make as many as they like.
  const account = (i: number) => ({
    user: { name: `system:serviceaccount:team:s${i}`, groups: ["system:serviceaccounts:team"] },
  });
  const asked = Array.from({ length: share }, (_, i) => authorizer.decide(ask(account(i))));
  // One who made the webhook fail for themselves would evade what it denies.
  const beyond = authorizer.decide(ask({ ...account(share), verb: "get" }));
  await expect(beyond).rejects.toMatchObject({ http: 429 });
  const sent = () => server.asked.get("/authorize") === share;
  await waitFor("the calls", sent);
  server.answer = reviewing;
  status = { allowed: true };
  const others = ask({ user: { name: "joe", groups: [] } });
  expect(await authorizer.decide(others)).toMatchObject({ verdict: "allow" });
  clock.advance(3_000);
  for (const each of await Promise.all(asked)) {
    expect(each.error).toContain("context deadline exceeded");
  }
});

it("refuses configurations that make no sense, and names the field", async () => {
  for (const [authorizers, why] of [
    [[], "authorizers: must be a list that is not empty"],
    [[{ type: "ABAC", name: "a" }], "type: must be one of Node, RBAC, AlwaysAllow"],
    [[{ type: "RBAC" }], "name: must be a text"],
    [
      [
        { type: "RBAC", name: "a" },
        { type: "RBAC", name: "b" },
      ],
      "repeats a",
    ],
    [[{ type: "RBAC", name: "a", webhook: WEBHOOK }], "webhook: is not a field of it"],
    [[{ type: "Webhook", name: "a" }], "webhook: must be an object"],
    [[hook({ timeout: "31s" })], "must be > 0s and <= 30s"],
    [[hook({ timeout: "0s" })], "must be a duration > 0s"],
    [[hook({ failurePolicy: "Ignore" })], "failurePolicy: must be one of NoOpinion, Deny"],
    [[hook({ subjectAccessReviewVersion: "v2" })], "must be one of v1, v1beta1"],
    [[hook({ matchConditions: [{ expression: "true" }] })], "ReviewVersion: must be one of v1"],
    [
      [hook({ connectionInfo: { type: "InClusterConfig" } })],
      "type: must be one of KubeConfigFile",
    ],
  ] as [unknown, string][]) {
    await expect(chain(authorizers)).rejects.toThrow(why);
  }
});
