import { REMOTE_CALLS_MAX, sharesOf, TOKEN_BYTES_MAX } from "@raft2kube/apiserver/limits.ts";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { fixed } from "@raft2kube/reconcile/followed-file.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Answer, type AskOptions, ask } from "../../../../testing/apiserver/ask.ts";
import {
  type FakeServer,
  sendJson,
  startFakeServer,
} from "../../../../testing/apiserver/fake-issuer.ts";
import { startApiserverOnEtcd } from "../../../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../../../testing/apiserver/test-apiserver.ts";
import { waitFor } from "../../../../testing/wait.ts";

/** Plays both webhooks: `/tokens` and `/access`. */
let hooks: FakeServer;
/** Questions about the user slow and the token hang, which get no answer. */
const unanswered = { slow: 0, hang: 0 };
/** Ends the calls about users that are made up, which wait for it. */
const madeUp: (() => void)[] = [];
let api: TestApiserver;
let admin: AskOptions;

const TOKENS = 'file-token,joe,u-1,"dev, ops"\n# a comment\n,nobody,u-2\nplain,ann,\n';

interface Review {
  kind: string;
  spec: { token: string; user: string; resourceAttributes?: { resource: string } };
}

const answer: FakeServer["answer"] = (_, body, response) => {
  const review = JSON.parse(body) as Review;
  if (review.kind === "TokenReview") {
    if (review.spec.token === "hang") return void unanswered.hang++;
    const authenticated = review.spec.token === "hook-token";
    const user = { username: "hooked", groups: ["g"], extra: { k: ["v"] } };
    return sendJson(response, {
      ...review,
      status: authenticated ? { authenticated, user } : { error: "unheard of" },
    });
  }
  const { user, resourceAttributes } = review.spec;
  if (user === "slow") return void unanswered.slow++;
  if (user.startsWith("made-up-")) {
    return void madeUp.push(() => sendJson(response, { ...review, status: {} }));
  }
  const allowed =
    (user === "hooked" && resourceAttributes?.resource === "configmaps") ||
    /^(local)?subjectaccessreviews$/.test(resourceAttributes?.resource ?? "");
  const denied = resourceAttributes?.resource === "secrets";
  sendJson(response, { ...review, status: { allowed, denied, reason: denied ? "secret" : "" } });
};

beforeAll(async () => {
  hooks = await startFakeServer(answer);
  const access = (path: string) => ({ url: `${hooks.url}${path}`, ca: hooks.ca });
  api = await startApiserverOnEtcd({
    authentication: {
      tokenFile: TOKENS,
      webhook: { access: access("/tokens"), version: "v1" },
      anonymous: false,
    },
    authorization: fixed({
      authorizers: [
        { type: "Node", name: "node" },
        {
          type: "Webhook",
          name: "hook",
          webhook: {
            access: access("/access"),
            version: "v1",
            timeout_ms: 8_000,
            authorized_ms: 60_000,
            unauthorized_ms: 60_000,
            onFailure: "NoOpinion",
            conditions: [],
          },
        },
        { type: "RBAC", name: "rbac" },
      ],
    }),
  });
  admin = await api.credentials("admin", ["system:masters"]);
});
afterAll(async () => {
  await api?.close();
  await hooks?.close();
});

const as = (token: string, path: string, more: AskOptions = {}): Promise<Answer> =>
  ask(api, path, { ...more, headers: { authorization: `Bearer ${token}` } });

const json = ({ body }: Answer) => JSON.parse(body) as Record<string, any>;

const post = (kind: string, group: string, spec?: object): AskOptions => ({
  method: "POST",
  body: { kind, apiVersion: `${group}/v1`, ...(spec && { spec }) },
});

async function whoAmI(token: string): Promise<object> {
  const asked = post("SelfSubjectReview", "authentication.k8s.io");
  const answered = await as(token, "/apis/authentication.k8s.io/v1/selfsubjectreviews", asked);
  return answered.status === 201 ? json(answered)["status"].userInfo : { status: answered.status };
}

it("tokens of the file and of the webhook name their users", async () => {
  expect(await whoAmI("file-token")).toEqual({
    username: "joe",
    uid: "u-1",
    groups: ["dev", "ops", "system:authenticated"],
  });
  expect(await whoAmI("plain")).toMatchObject({ username: "ann" });
  expect(await whoAmI("hook-token")).toEqual({
    username: "hooked",
    groups: ["g", "system:authenticated"],
    extra: { k: ["v"] },
  });
  expect(await whoAmI("others")).toEqual({ status: 401 });
  // The webhook is asked again for what it answered with an error, as it was for no other.
  const asked = hooks.asked.get("/tokens")!;
  await Promise.all([whoAmI("hook-token"), whoAmI("others"), whoAmI("file-token")]);
  expect(hooks.asked.get("/tokens")).toBe(asked + 1);
});

it("a request without credentials is refused where anonymous ones are", async () => {
  expect((await ask(api, "/livez")).status).toBe(401);
  expect((await ask(api, "/api", admin)).status).toBe(200);
});

it("a TokenReview has the webhook's word", async () => {
  const review = async (token: string, audiences?: string[]) =>
    json(
      await ask(api, "/apis/authentication.k8s.io/v1/tokenreviews", {
        ...admin,
        ...post("TokenReview", "authentication.k8s.io", { token, audiences }),
      }),
    )["status"];
  // A token without audiences is good for this server's alone.
  expect((await review("file-token")).audiences).toHaveLength(1);
  for (const token of ["file-token", "hook-token"]) {
    expect((await review(token, ["others"])).authenticated).toBeUndefined();
  }
  expect(await review("hook-token")).toMatchObject({
    authenticated: true,
    user: { username: "hooked" },
  });
  expect((await review("others")).error).toContain("unheard of");
  const asked = hooks.asked.get("/tokens");
  expect((await review("x".repeat(TOKEN_BYTES_MAX + 1))).error).toBe("invalid bearer token");
  expect(hooks.asked.get("/tokens")).toBe(asked);
});

it("the webhook's word is the last before RBAC's", async () => {
  const at = (resource: string) => `/api/v1/namespaces/default/${resource}`;
  expect((await as("hook-token", at("configmaps"))).status).toBe(200);
  const secrets = await as("hook-token", at("secrets"));
  expect(secrets.status).toBe(403);
  expect(secrets.body).toContain("secret");
  expect((await as("hook-token", at("pods"))).status).toBe(403);
  const rules = json(
    await as(
      "hook-token",
      "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
      post("SelfSubjectRulesReview", "authorization.k8s.io", { namespace: "default" }),
    ),
  );
  expect(rules["status"]).toMatchObject({
    incomplete: true,
    evaluationError: "webhook authorizer does not support user rule resolution",
  });
  const metrics = (await ask(api, "/metrics", admin)).body;
  expect(metrics).toMatch(
    /^apiserver_authorization_decisions_total\{(?=.*name="hook")(?=.*type="Webhook").*denied.* 1$/m,
  );
  expect(metrics).toMatch(
    /apiserver_authorization_webhook_evaluations_total{name="hook",result="success"} [1-9]/,
  );
});

const SHARES = sharesOf(REMOTE_CALLS_MAX);
const OF_TEAM = ["system:serviceaccounts", "system:serviceaccounts:team"];
it.each([
  [
    "LocalSubjectAccessReview",
    "namespaces/team/",
    "system:serviceaccount:team:asker",
    OF_TEAM,
    SHARES.each,
  ],
  ["SubjectAccessReview", "", "system:node:n1", ["system:nodes"], SHARES.eachOfReserve!],
])("%ss about made-up users count to who asks", async (kind, at, name, groups, share) => {
  const asker = await api.credentials(name, groups);
  const review = async (i: number) => {
    const spec = {
      user: `made-up-${kind}-${i}`,
      resourceAttributes: { namespace: "team", verb: "get", resource: "pods" },
    };
    const path = `/apis/authorization.k8s.io/v1/${at}${kind.toLowerCase()}s`;
    const asked = post(kind, "authorization.k8s.io", spec);
    return (await ask(api, path, { ...asker, ...asked })).status;
  };
  madeUp.length = 0;
  const asked = Array.from({ length: share }, (_, i) => review(i));
  await waitFor("the calls", () => madeUp.length === share, { clock: machineClock() });
  // Refused immediately; without the bound, asked about as well, and given up after 8 s.
  expect(await review(share)).toBe(429);
  for (const end of madeUp) end();
  for (const status of await Promise.all(asked)) expect(status).toBe(201);
});

it("webhooks that hang delay no other request, and end with their time", async () => {
  const slow = await api.credentials("slow");
  const answered: string[] = [];
  const hung = Array.from({ length: 40 }, async () => {
    const { status } = await ask(api, "/api/v1/pods", slow);
    answered.push("slow");
    return status;
  });
  const hanging = Array.from({ length: 40 }, () =>
    as("hang", "/api/v1/pods").catch(() => undefined),
  );
  const isHanging = () => unanswered.slow === hung.length && unanswered.hang > 0;
  await waitFor("both webhooks to hang", isHanging, { clock: machineClock() });
  expect((await as("hook-token", "/api/v1/namespaces/default/configmaps")).status).toBe(200);
  expect((await ask(api, "/api/v1/nodes", admin)).status).toBe(200);
  expect(answered).toEqual([]);
  for (const status of await Promise.all(hung)) expect(status).toBe(500);
  void hanging;
});
